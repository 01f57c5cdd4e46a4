"""Load rehearsals: a day of peak demand, simulated in seconds or played live, with what it teaches."""
