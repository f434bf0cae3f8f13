// ---- slides: one is seen at a time; those of a group move together ----

const slidesOf = (box) => all(":scope > .slide", box);

/** Show one slide of a box; what that slide is about, if it says so. */
function show(box, place) {
  const slides = slidesOf(box), name = slides[place].dataset.name;
  slides.forEach((one, i) => { one.hidden = i !== place; });
  for (const input of all(":scope > .control input,:scope > .control select", box)) {
    input.value = place;
    if (input.type === "range") input.setAttribute("aria-valuetext", name);
  }
  for (const output of all(":scope > .control output", box)) output.textContent = name;
  return about(slides[place].dataset);
}

for (const box of all(".slides")) {
  const control = box.querySelector(":scope > .control");
  if (!control) continue;
  control.hidden = false;
  show(box, Number(box.dataset.first));
  control.addEventListener("input", (event) => {
    const chosen = Number(event.target.value), name = slidesOf(box)[chosen].dataset.name;
    for (const other of all(`.slides[data-group="${CSS.escape(box.dataset.group)}"]`)) {
      const place = other === box ? chosen : slidesOf(other).findIndex((one) => one.dataset.name === name);
      if (place < 0) continue;
      const what = show(other, place);
      if (other.dataset.choice) held = what; // what is chosen is held
    }
    redraw();
  });
}
