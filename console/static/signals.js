// One box that ticks every broken rule of the page at once. Without script it stays hidden, and each is ticked by itself.
"use strict";
(() => {
  const every = document.getElementById("every");
  if (!every) return;
  const boxes = [...document.querySelectorAll('input[name="signal"]')];

  function look() {
    const ticked = boxes.filter((one) => one.checked).length;
    every.checked = ticked === boxes.length;
    every.indeterminate = ticked > 0 && !every.checked;
  }

  every.closest("label").hidden = false;
  every.addEventListener("change", () => {
    for (const one of boxes) one.checked = every.checked;
  });
  for (const one of boxes) one.addEventListener("change", look);
  // Whoever comes back to the page finds some ticked by the browser.
  window.addEventListener("pageshow", look);
})();
