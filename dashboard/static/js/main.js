// Starts what the page needs.
import { startAsk } from "./ask.js";
import { startCharts } from "./charts.js";
import { startExpect } from "./expect.js";
import { startFaults } from "./faults.js";
import { startForms } from "./forms.js";
import { startHeader } from "./header.js";
import { startHold } from "./hold.js";
import { startJob } from "./job.js";
import { startLists } from "./lists.js";
import { connect } from "./live.js";
import { startRenew } from "./renew.js";
import { startRows } from "./rows.js";
import { startWhatIf } from "./whatif.js";

startForms();
startAsk();
startLists();
startHeader();
startHold();
startRows();
startJob();
startCharts();
startExpect();
startRenew();
startWhatIf();
startFaults();
connect();
