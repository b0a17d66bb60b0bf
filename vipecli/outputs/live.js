"use strict";
// The page of `vipe live --serve`: the stream is a picture, the words come once a second.

const token = new URLSearchParams(location.search).get("token");
const say = (text) => { document.getElementById("status").textContent = text; };

function words(state) {
  const parts = [];
  if (state.match !== null) parts.push(`match ${Math.round(100 * state.match)}%`);
  if (state.repetitions !== null) parts.push(`${state.repetitions} repetition${state.repetitions === 1 ? "" : "s"}`);
  if (state.label) parts.push(state.label);
  return parts.join(", ") || "Nobody is seen";
}

async function poll() {
  try {
    const answer = await fetch(`state?token=${encodeURIComponent(token)}`, { cache: "no-store" });
    const state = await answer.json();
    if (state.ended) return say("The session has ended.");
    if (state.started) say(words(state));
  } catch (error) {
    return say("The session has ended.");
  }
  setTimeout(poll, 1000);
}

document.getElementById("end").addEventListener("click", () => {
  fetch(`end?token=${encodeURIComponent(token)}`, { method: "POST" }).catch(() => {});
});
poll();
