/* Runs before anything is painted, so that a theme that was chosen does not flash the other one first. */
document.documentElement.dataset.theme = localStorage.getItem("mistralrs.theme") ?? "system";
