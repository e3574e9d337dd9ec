// Light, dark, or as the system says. Everything else on the pages works without scripts.
(function () {
  var root = document.documentElement;
  var kept = null;
  try { kept = localStorage.getItem("theme"); } catch (e) { /* storage is off: the system decides */ }
  if (kept === "dark" || kept === "light") root.setAttribute("data-theme", kept);
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.querySelector("[data-theme-switch]");
    if (!button) return;
    var system = window.matchMedia("(prefers-color-scheme: dark)");
    function dark() {
      var told = root.getAttribute("data-theme");
      return told ? told === "dark" : system.matches;
    }
    function show() { button.setAttribute("aria-pressed", dark() ? "true" : "false"); }
    button.hidden = false;
    show();
    button.addEventListener("click", function () {
      var next = dark() ? "light" : "dark";
      root.setAttribute("data-theme", next);
      try { localStorage.setItem("theme", next); } catch (e) { /* not kept */ }
      show();
    });
  });
})();
