"use strict";
// The page of `vipe reps --report`: the film moves the line in the charts, a row marks its lines.

const film = document.getElementById("film");
const store = document.getElementById("clip");
const bytes = Uint8Array.from(atob(store.textContent.trim()), (c) => c.charCodeAt(0));
film.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
store.remove();

const lines = [...document.querySelectorAll(".now")];

function follow() {
  const share = film.duration ? film.currentTime / film.duration : 0;
  for (const line of lines) {
    const x = share * line.ownerSVGElement.querySelector(".grid").x2.baseVal.value;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  }
  if (!film.paused) requestAnimationFrame(follow);
}
for (const event of ["play", "seeked", "timeupdate"]) film.addEventListener(event, follow);

for (const svg of document.querySelectorAll("svg")) {
  svg.addEventListener("click", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const width = svg.querySelector(".grid").x2.baseVal.value;
    if (film.duration) film.currentTime = film.duration * Math.min(Math.max(place.x / width, 0), 1);
  });
}

for (const button of document.querySelectorAll("#trials button")) {
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    const trial = button.closest("tr").dataset.trial;
    button.setAttribute("aria-pressed", String(on));
    for (const line of document.querySelectorAll(`.trial[data-trial="${trial}"]`)) line.classList.toggle("chosen", on);
  });
}
