// Light or dark: as the system has it, until somebody says otherwise. Loaded before the page is shown.
"use strict";

const chosen = localStorage.getItem("tickstream-theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
