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
import { startRows } from "./rows.js";

startForms();
startAsk();
startLists();
startHeader();
startHold();
startRows();
startJob();
startCharts();
startExpect();
startFaults();
connect();
