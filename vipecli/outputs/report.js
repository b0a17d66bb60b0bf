"use strict";
// The page of `vipe align --report`. `data` is what report.py wrote: for every frame of the time
// base the moments of both clips, and what is drawn beside them. Nothing is fetched.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const LETTERS = ["A", "B"];
const LAST = data.moments.a.length - 1;
const HIDDEN_SCORE = 0.5; // joints seen less surely are drawn thin
const LATE_S = 0.1; // a clip farther behind is waited for,
const MOST_WAIT_S = 1; // but no longer than this
const MISSING = -32768; // coordinate of a joint that is missing
const LINKS = [[1, 2], [7, 8], [1, 7], [2, 8], [1, 3], [3, 5], [2, 4], [4, 6], [7, 9], [9, 11], [8, 10], [10, 12]];
const LEFT = "#ff9836", RIGHT = "#42c4ff", MIDDLE = "#f0f0f0", OUTLINE = "#12141890";

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const colours = new Map(); // of the scheme in use, by their name in the style

function css(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colours.get(name);
}

const percent = (x) => `${Math.round(100 * x)}%`;

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function stopwatch(seconds) {
  const hundredths = Math.round(100 * Math.max(0, seconds));
  const rest = String(hundredths % 6000).padStart(4, "0");
  return `${Math.floor(hundredths / 6000)}:${rest.slice(0, 2)}.${rest.slice(2)}`;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Value of samples at a fractional index, straight lines between them. */
function at(samples, index) {
  const i = clamp(Math.floor(index), 0, samples.length - 1);
  const j = Math.min(i + 1, samples.length - 1);
  if (samples[i] === null || samples[j] === null) return samples[Math.round(index)] ?? null;
  return samples[i] + (samples[j] - samples[i]) * (index - i);
}

/** Index of the time nearest to a moment, in increasing times. */
function nearest(times, moment) {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < moment) low = middle + 1; else high = middle;
  }
  return low > 0 && moment - times[low - 1] < times[low] - moment ? low - 1 : low;
}

/** A drawing context scaled to CSS pixels, or null while the canvas has no size. */
function context(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  const scale = window.devicePixelRatio || 1;
  if (!width || !height) return null;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return { ctx, width, height };
}

// --- one clip ------------------------------------------------------------------------------------

class Take {
  constructor(number) {
    const clip = data.clips[number];
    Object.assign(this, { clip, moment: clip.start, wanted: null });
    this.xy = new Int16Array(bytes(clip.poses.xy).buffer);
    this.score = bytes(clip.poses.score);
    this.video = null;
    this.build(number);
    this.load(number);
  }

  build(number) {
    const box = element("figure", number ? "take second" : "take");
    const caption = element("figcaption");
    const name = element("span", "name");
    const label = element("bdi", "", this.clip.name);
    name.append(label);
    name.title = this.clip.name;
    this.clock = element("span", "clock");
    caption.append(element("span", "badge", LETTERS[number]), name, this.clock);
    this.view = element("div", "view");
    this.view.style.setProperty("--aspect", String(this.clip.width / this.clip.height));
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.note = element("span", "note");
    this.view.append(this.canvas, this.note);
    box.append(caption, this.view);
    $("stage").append(box);
  }

  load(number) {
    const store = $(`clip-${number}`);
    if (!store) return;
    const video = element("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", tabIndex: -1 });
    video.setAttribute("aria-label", `Clip ${LETTERS[number]}, ${this.clip.name}`);
    video.src = URL.createObjectURL(new Blob([bytes(store.textContent.trim())], { type: "video/mp4" }));
    store.remove();
    for (const event of ["loadeddata", "seeked"]) video.addEventListener(event, () => this.settle());
    this.view.prepend(video);
    this.video = video;
  }

  /** Time in the video file of the middle of the frame that shows a moment. */
  inFile(moment) {
    const frame = clamp(Math.round((moment - this.clip.start) * this.clip.fps), 0, this.clip.frames - 1);
    return (frame + 0.5) / this.clip.fps;
  }

  /** Show a moment and stay there; while the video is busy only the last wish counts. */
  seek(moment) {
    this.moment = moment;
    const video = this.video;
    if (video) {
      if (!video.paused) video.pause();
      const time = this.inFile(moment);
      if (video.seeking || video.readyState < 1) this.wanted = time;
      else if (Math.abs(video.currentTime - time) > 1e-3) video.currentTime = time;
    }
    this.draw();
  }

  settle() {
    if (this.wanted !== null) {
      const time = this.wanted;
      this.wanted = null;
      if (Math.abs(this.video.currentTime - time) > 1e-3) this.video.currentTime = time;
    }
    this.draw();
  }

  /** Run at a rate, and catch up or wait until the video shows the moment; seconds that it is late. */
  follow(moment, rate) {
    this.moment = moment;
    const video = this.video;
    let late = 0;
    if (video && video.readyState >= 1) {
      late = this.inFile(moment) - video.currentTime;
      const speed = rate + 3 * late;
      if (Math.abs(late) > 0.3 || speed < 0.07) {
        if (!video.paused) video.pause();
        if (!video.seeking && Math.abs(late) > 0.75 / this.clip.fps) video.currentTime = this.inFile(moment);
      } else {
        video.playbackRate = Math.min(speed, 16);
        if (video.paused) video.play().catch(() => {});
      }
    }
    this.draw();
    return late;
  }

  get shown() {
    const video = this.video;
    if (!video || video.readyState < 2 || this.wanted !== null) return this.moment;
    return this.clip.start + Math.floor(video.currentTime * this.clip.fps + 1e-6) / this.clip.fps;
  }

  draw() {
    const drawing = context(this.canvas);
    this.clock.textContent = stopwatch(this.moment);
    const state = stateAt(this.clip, this.moment);
    this.note.textContent = state === "missing" ? "nobody seen" : state === "unsure" ? "pose unclear" : "";
    this.note.classList.toggle("missing", state === "missing");
    if (drawing && player.skeletons) drawSkeleton(drawing, this);
  }
}

/** "missing", "unsure" or "": how well the person of a clip is seen at a moment. */
function stateAt(clip, moment) {
  const within = (spans) => spans.some(([start, end]) => moment >= start && moment < end);
  return within(clip.missing) ? "missing" : within(clip.unsure) ? "unsure" : "";
}

function drawSkeleton({ ctx, width, height }, take) {
  const frame = nearest(take.clip.poses.times, take.shown);
  const joints = [];
  for (let j = 0; j < 13; j++) {
    const k = 13 * frame + j;
    const x = take.xy[2 * k], y = take.xy[2 * k + 1];
    joints.push(x === MISSING ? null : { x: (x / 10000) * width, y: (y / 10000) * height, seen: take.score[k] / 255 >= HIDDEN_SCORE });
  }
  const known = joints.filter(Boolean);
  if (!known.length) return;
  const extent = (key) => Math.max(...known.map((p) => p[key])) - Math.min(...known.map((p) => p[key]));
  const thick = clamp(Math.hypot(extent("x"), extent("y")) / 85, 1.5, 12);
  const colour = (j) => (j === 0 ? MIDDLE : j % 2 ? LEFT : RIGHT);
  const bones = LINKS.map(([i, j]) => [joints[i], joints[j], i % 2 === j % 2 ? colour(i) : MIDDLE]);
  if (joints[0] && joints[1] && joints[2]) {
    const neck = { x: (joints[1].x + joints[2].x) / 2, y: (joints[1].y + joints[2].y) / 2 };
    bones.push([joints[0], { ...neck, seen: joints[1].seen && joints[2].seen }, MIDDLE]);
  }
  ctx.lineCap = "round";
  for (const outline of [true, false]) {
    for (const [p, q, tint] of bones) {
      if (!p || !q) continue;
      const line = (p.seen && q.seen ? 1 : 0.5) * thick;
      ctx.strokeStyle = outline ? OUTLINE : tint;
      ctx.lineWidth = outline ? line + Math.max(2, 0.6 * thick) : line;
      ctx.beginPath();
      ctx.moveTo(p.x, p.y);
      ctx.lineTo(q.x, q.y);
      ctx.stroke();
    }
  }
  joints.forEach((p, j) => {
    if (!p) return;
    const radius = thick * (j === 0 ? 1.7 : 0.95) * (p.seen ? 1 : 0.6);
    for (const [r, tint] of [[radius + Math.max(1, 0.3 * thick), OUTLINE], [radius, colour(j)], [radius / 2, MIDDLE]]) {
      ctx.fillStyle = tint;
      ctx.beginPath();
      ctx.arc(p.x, p.y, r, 0, 2 * Math.PI);
      ctx.fill();
    }
  });
}

// --- plots ---------------------------------------------------------------------------------------

/** A canvas drawn once per size and colour scheme, with a mark on top that moves. */
class Plot {
  constructor(box, label, { draw, mark, pick }) {
    Object.assign(this, { box, paint: draw, mark, pick, visible: true, still: document.createElement("canvas") });
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    box.append(this.canvas);
    new ResizeObserver(() => this.redraw()).observe(box);
    new IntersectionObserver(([entry]) => { this.visible = entry.isIntersecting; this.tick(); }).observe(box);
    box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      box.setPointerCapture(event.pointerId);
      this.go(event);
    });
    box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && this.go(event));
  }

  go(event) {
    const box = this.canvas.getBoundingClientRect();
    player.pause();
    player.go(this.pick(event.clientX - box.left, event.clientY - box.top, box.width, box.height));
  }

  redraw() {
    const drawing = context(this.canvas);
    if (!drawing) return;
    this.paint(drawing);
    Object.assign(this.still, { width: this.canvas.width, height: this.canvas.height });
    this.still.getContext("2d").drawImage(this.canvas, 0, 0);
    this.tick();
  }

  tick() {
    if (!this.visible) return;
    const drawing = context(this.canvas);
    if (!drawing || !this.still.width) return;
    drawing.ctx.drawImage(this.still, 0, 0, drawing.width, drawing.height);
    this.mark(drawing);
  }
}

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const MARGIN = { left: 44, right: 10, top: 8, bottom: 22 };

function steps(span, most) {
  const unit = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];
  return unit.find((step) => span / step <= most) ?? 7200;
}

/** Ticks of seconds from start to end, at most so many. */
function ticks(start, end, most) {
  const step = steps(end - start, most), out = [];
  for (let t = Math.ceil(start / step - 1e-9) * step; t <= end + 1e-9; t += step) out.push(t);
  return out;
}

const seconds = (t) => (t >= 60 ? stopwatch(t).replace(/\.00$/, "") : `${Number(t.toFixed(1))} s`);

function frame(width, height) {
  return { x: MARGIN.left, y: MARGIN.top, w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
}

function label(ctx, text, x, y, align, baseline = "middle") {
  Object.assign(ctx, { font: FONT, fillStyle: css("--dim"), textAlign: align, textBaseline: baseline });
  ctx.fillText(text, x, y);
}

/** Seconds below a plot, kept inside of it at both ends. */
function timeAxis(ctx, f, start, end, x) {
  const all = ticks(start, end, f.w / 60);
  for (const t of all) {
    const px = x(t);
    label(ctx, seconds(t), clamp(px, f.x + 4, f.x + f.w - 14), f.y + f.h + 13, "center");
  }
}

// The matrix of distances

const matrix = { ...data.matrix, cells: bytes(data.matrix.cells) };

function hex(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

/** Picture of the matrix in the colours of the scheme: near, middle, far. */
function matrixPicture() {
  const stops = ["--near", "--middle", "--far"].map((name) => hex(css(name)));
  const colours = Array.from({ length: 256 }, (_, v) => {
    const place = (v / 255) * 2, i = Math.min(1, Math.floor(place));
    return stops[i].map((c, k) => c + (stops[i + 1][k] - c) * (place - i));
  });
  const { rows, columns, cells } = matrix;
  const picture = Object.assign(document.createElement("canvas"), { width: rows, height: columns });
  const ctx = picture.getContext("2d");
  const image = ctx.createImageData(rows, columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const pixel = 4 * ((columns - 1 - j) * rows + i); // a to the right, b upwards
      const [r, g, b] = colours[cells[i * columns + j]];
      image.data.set([r, g, b, 255], pixel);
    }
  }
  ctx.putImageData(image, 0, 0);
  return picture;
}

const inMatrix = (width, height) => {
  const f = frame(width, height), { a, b } = matrix;
  const share = (t, [start, end]) => (t - start) / Math.max(end - start, 1e-9);
  return { f, x: (t) => f.x + f.w * share(t, a), y: (t) => f.y + f.h * (1 - share(t, b)) };
};

function drawMatrix({ ctx, width, height }) {
  const { f, x, y } = inMatrix(width, height);
  ctx.save();
  ctx.beginPath();
  ctx.rect(f.x, f.y, f.w, f.h);
  ctx.clip();
  ctx.drawImage(matrixPicture(), f.x, f.y, f.w, f.h);
  ctx.lineJoin = "round";
  for (const [colour, line] of [[css("--panel"), 4.5], [css("--path"), 2.5]]) {
    Object.assign(ctx, { strokeStyle: colour, lineWidth: line });
    ctx.beginPath();
    data.path.a.forEach((t, i) => ctx.lineTo(x(t), y(data.path.b[i])));
    ctx.stroke();
  }
  ctx.restore();
  timeAxis(ctx, f, ...matrix.a, x);
  for (const t of ticks(...matrix.b, f.h / 40)) {
    label(ctx, seconds(t), f.x - 7, clamp(y(t), f.y + 6, f.y + f.h - 6), "right");
  }
}

function markMatrix({ ctx, width, height }) {
  const { f, x, y } = inMatrix(width, height);
  const px = x(player.moment(0)), py = y(player.moment(1));
  Object.assign(ctx, { strokeStyle: css("--dim"), lineWidth: 1 });
  ctx.beginPath();
  ctx.moveTo(px, f.y);
  ctx.lineTo(px, f.y + f.h);
  ctx.moveTo(f.x, py);
  ctx.lineTo(f.x + f.w, py);
  ctx.stroke();
  dot(ctx, px, py, css("--path"));
}

function dot(ctx, x, y, colour) {
  for (const [radius, tint] of [[7, css("--panel")], [5, colour]]) {
    ctx.fillStyle = tint;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }
}

/** Frame of the time base whose pair of moments lies nearest to a point of the matrix. */
function pickInMatrix(px, py, width, height) {
  const { x, y } = inMatrix(width, height);
  let best = 0, least = Infinity;
  for (let i = 0; i <= LAST; i++) {
    const away = Math.hypot(x(data.moments.a[i]) - px, y(data.moments.b[i]) - py);
    if (away < least) [best, least] = [i, away];
  }
  return best;
}

function readMatrix(event) {
  const box = event.currentTarget.getBoundingClientRect(), { f } = inMatrix(box.width, box.height);
  const u = (event.clientX - box.left - f.x) / f.w, v = 1 - (event.clientY - box.top - f.y) / f.h;
  if (u < 0 || u > 1 || v < 0 || v > 1) return;
  const between = ([start, end], share) => start + (end - start) * share;
  $("readout").textContent = `A ${stopwatch(between(matrix.a, u))}  ·  B ${stopwatch(between(matrix.b, v))}`;
}

function addMatrix() {
  if (!matrix.rows) { $("matrix-figure").hidden = true; return null; }
  const box = $("matrix");
  const span = ([start, end]) => Math.max(end - start, 1e-3);
  box.style.aspectRatio = String(clamp(span(matrix.a) / span(matrix.b), 0.8, 1.6));
  box.addEventListener("pointermove", readMatrix);
  const text = "Distance of every moment of A to every moment of B, with the path of the alignment";
  return new Plot(box, text, { draw: drawMatrix, mark: markMatrix, pick: pickInMatrix });
}

// Curves over time

function addChart(parent, chart) {
  const box = element("figure"), caption = element("figcaption");
  caption.append(element("h2", "", chart.title));
  if (chart.note) caption.append(element("p", "", chart.note));
  const legend = element("div", "legend");
  for (const one of chart.curves) {
    if (chart.curves.length === 1 || chart.between) break; // A and B have the colours of their badges
    const item = element("span", "", one.name);
    item.style.setProperty("--swatch", `var(${one.colour})`);
    legend.append(item);
  }
  const plot = element("div", "plot");
  plot.style.height = `${chart.height ?? 156}px`;
  box.append(caption, plot, legend);
  parent.append(box);
  const scale = chart.log ? Math.log2 : (v) => v;
  const [low, high] = chart.range.map(scale);
  const place = (width, height) => {
    const f = frame(width, height);
    return { f, x: (i) => f.x + (f.w * i) / Math.max(LAST, 1), y: (v) => f.y + f.h * (1 - clamp((scale(v) - low) / (high - low), 0, 1)) };
  };
  return new Plot(plot, `${chart.title}, over time`, {
    draw: (drawing) => drawChart(drawing, chart, place(drawing.width, drawing.height)),
    mark: (drawing) => markChart(drawing, chart, place(drawing.width, drawing.height)),
    pick: (px, py, width, height) => {
      const { f } = place(width, height);
      return Math.round(clamp((px - f.x) / f.w, 0, 1) * LAST);
    },
  });
}

function drawChart({ ctx }, chart, { f, x, y }) {
  ctx.fillStyle = css("--panel");
  ctx.fillRect(f.x, f.y, f.w, f.h);
  for (const [value, text] of chart.ticks) {
    Object.assign(ctx, { strokeStyle: css("--line"), lineWidth: 1 });
    ctx.beginPath();
    ctx.moveTo(f.x, y(value));
    ctx.lineTo(f.x + f.w, y(value));
    ctx.stroke();
    label(ctx, text, f.x - 7, clamp(y(value), f.y + 5, f.y + f.h - 5), "right");
  }
  drawStates(ctx, f, x);
  const [first, second] = chart.curves;
  if (chart.between && second) fillBetween(ctx, first.values, second.values, x, y);
  for (const one of chart.curves) {
    if (one.filled) fillBelow(ctx, one, f, x, y);
    Object.assign(ctx, { strokeStyle: css(one.colour), lineWidth: 2, lineJoin: "round" });
    trace(ctx, one.values, x, y);
    ctx.stroke();
  }
  timeAxis(ctx, f, 0, LAST / data.fps, (t) => x(t * data.fps));
}

/** Marks at the foot of a chart: where a person is missing or a pose is unclear, A above B. */
function drawStates(ctx, f, x) {
  [0, 1].forEach((number) => {
    const times = number ? data.moments.b : data.moments.a;
    for (let i = 0; i <= LAST; i++) {
      const state = stateAt(data.clips[number], times[i]);
      if (!state) continue;
      ctx.fillStyle = css(state === "missing" ? "--missing" : "--unsure");
      ctx.fillRect(x(i - 0.5), f.y + f.h - 10 + 5 * number, x(1) - x(0) + 0.5, 4);
    }
  });
}

function trace(ctx, values, x, y) {
  let pen = false;
  ctx.beginPath();
  values.forEach((v, i) => {
    if (v === null) { pen = false; return; }
    if (pen) ctx.lineTo(x(i), y(v)); else ctx.moveTo(x(i), y(v));
    pen = true;
  });
}

function fillBelow(ctx, one, f, x, y) {
  ctx.fillStyle = css(one.colour);
  ctx.globalAlpha = 0.18;
  ctx.beginPath();
  ctx.moveTo(x(0), f.y + f.h);
  one.values.forEach((v, i) => ctx.lineTo(x(i), y(v ?? 0)));
  ctx.lineTo(x(LAST), f.y + f.h);
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** Shade what lies between two curves, run by run where both are known. */
function fillBetween(ctx, first, second, x, y) {
  ctx.fillStyle = css("--dim");
  ctx.globalAlpha = 0.22;
  let run = [];
  for (let i = 0; i <= LAST + 1; i++) {
    if (i <= LAST && first[i] !== null && second[i] !== null) { run.push(i); continue; }
    ctx.beginPath();
    run.forEach((k) => ctx.lineTo(x(k), y(first[k])));
    run.reverse().forEach((k) => ctx.lineTo(x(k), y(second[k])));
    ctx.fill();
    run = [];
  }
  ctx.globalAlpha = 1;
}

function markChart({ ctx }, chart, { f, x, y }) {
  const i = player.position, px = x(i);
  Object.assign(ctx, { strokeStyle: css("--text"), lineWidth: 1 });
  ctx.beginPath();
  ctx.moveTo(px, f.y);
  ctx.lineTo(px, f.y + f.h);
  ctx.stroke();
  const texts = [];
  for (const one of chart.curves) {
    const value = at(one.values, i);
    if (value === null) continue;
    dot(ctx, px, y(value), css(one.colour));
    texts.push([one.colour, chart.unit === "%" ? percent(value) : `${value.toFixed(chart.digits ?? 0)}${chart.unit}`]);
  }
  const left = px > f.x + f.w / 2;
  texts.forEach(([colour, text], k) => {
    Object.assign(ctx, { font: `600 ${FONT}`, textAlign: left ? "right" : "left", textBaseline: "middle", lineWidth: 4, strokeStyle: css("--panel"), fillStyle: css(colour) });
    const place = [px + (left ? -10 : 10), f.y + 10 + 16 * k];
    ctx.strokeText(text, ...place);
    ctx.fillText(text, ...place);
  });
}

// --- playing -------------------------------------------------------------------------------------

const player = {
  position: 0, // frames of the time base
  playing: false,
  skeletons: true,
  loop: true,
  rate: 1,
  takes: [],
  plots: [],
  before: 0,
  late: 0, // seconds that the slower clip is behind
  waited: 0, // seconds spent waiting for it

  moment(number) {
    return at(number ? data.moments.b : data.moments.a, this.position);
  },

  go(position) {
    this.position = clamp(position, 0, LAST);
    this.takes.forEach((take, number) => take.seek(this.moment(number)));
    this.show();
  },

  play() {
    if (this.playing || !LAST) return;
    if (this.position >= LAST) this.go(0);
    this.playing = true;
    Object.assign(this, { before: performance.now(), late: 0, waited: 0 });
    requestAnimationFrame((now) => this.step(now));
    this.buttons();
  },

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.go(Math.round(this.position));
    this.buttons();
  },

  step(now) {
    if (!this.playing) return;
    let elapsed = clamp(now - this.before, 0, 250) / 1000; // a frame may have begun before `play`
    this.before = now;
    if (this.late > LATE_S && this.waited < MOST_WAIT_S) {
      this.waited += elapsed; // a slow machine plays slower, but in step
      elapsed = 0;
    } else this.waited = 0;
    this.position += elapsed * data.fps * this.rate;
    if (this.position >= LAST) {
      if (!this.loop) {
        this.position = LAST;
        this.pause();
        return;
      }
      this.go(0);
    }
    const i = Math.min(Math.floor(this.position), LAST - 1);
    this.late = Math.max(...this.takes.map((take, number) => {
      const times = number ? data.moments.b : data.moments.a;
      return take.follow(this.moment(number), (times[i + 1] - times[i]) * data.fps * this.rate);
    }));
    this.show();
    requestAnimationFrame((time) => this.step(time));
  },

  show() {
    const slider = $("time"), position = Math.round(this.position);
    slider.value = String(position);
    slider.setAttribute("aria-valuetext", `A ${this.moment(0).toFixed(2)} seconds, B ${this.moment(1).toFixed(2)} seconds`);
    $("clock").textContent = stopwatch(position / data.fps);
    this.plots.forEach((plot) => plot.tick());
  },

  buttons() {
    $("play-text").textContent = this.playing ? "Pause" : "Play";
    $("play-icon").setAttribute("d", this.playing ? "M4 2.5h3v11H4zM9 2.5h3v11H9z" : "M4 2.5v11l9.5-5.5z");
    for (const [id, on] of [["skeleton", this.skeletons], ["loop", this.loop], ["mirror", this.takes[1].view.classList.contains("mirrored")]]) {
      $(id).setAttribute("aria-pressed", String(on));
    }
  },

  toggle(name) {
    if (name === "play") this[this.playing ? "pause" : "play"]();
    if (name === "skeleton") this.skeletons = !this.skeletons;
    if (name === "loop") this.loop = !this.loop;
    if (name === "mirror") this.takes[1].view.classList.toggle("mirrored");
    this.takes.forEach((take) => take.draw());
    this.buttons();
  },

  faster(by) {
    const select = $("rate");
    select.selectedIndex = clamp(select.selectedIndex + by, 0, select.options.length - 1);
    this.rate = Number(select.value);
  },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target, second = Math.max(1, Math.round(data.fps));
  const step = event.shiftKey ? second : 1;
  const move = (to) => { player.pause(); player.go(to); };
  const keys = {
    ArrowLeft: () => move(Math.round(player.position) - step),
    ArrowRight: () => move(Math.round(player.position) + step),
    Home: () => move(0),
    End: () => move(LAST),
    "-": () => player.faster(-1),
    "+": () => player.faster(1),
    "=": () => player.faster(1),
    s: () => player.toggle("skeleton"),
    m: () => player.toggle("mirror"),
    l: () => player.toggle("loop"),
  };
  if (!target.closest("button, select, summary")) keys[" "] = () => player.toggle("play");
  if (target.closest("select")) return; // it has keys of its own
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

// --- words ---------------------------------------------------------------------------------------

function fillWords() {
  $("summary").textContent = data.summary;
  for (const text of data.warnings) $("summary").after(element("p", "warning", text));
  for (const [name, value] of data.facts) {
    const row = element("div");
    row.append(element("dt", "", name), element("dd", "", value));
    $("facts").append(row);
  }
  for (const { frame, text } of data.events) {
    const item = element("li"), button = element("button");
    button.type = "button";
    button.append(element("time", "", stopwatch(frame / data.fps)), element("span", "", text));
    button.addEventListener("click", () => { player.pause(); player.go(frame); });
    item.append(button);
    $("moments").append(item);
  }
  $("moments-box").hidden = !data.events.length;
  $("facts-box").hidden = !data.facts.length;
  $("made").textContent = data.made;
}

/** Keep the clips in a corner in view while the figures below them are looked at. */
function dock() {
  const place = $("stage-place"), stage = $("stage");
  new IntersectionObserver(([entry]) => {
    const above = !entry.isIntersecting && entry.boundingClientRect.top < 0;
    place.style.minHeight = above ? `${entry.boundingClientRect.height}px` : "";
    stage.classList.toggle("docked", above);
  }).observe(place);
}

function start() {
  fillWords();
  dock();
  const aspects = data.clips.map((clip) => clip.width / clip.height);
  $("stage").classList.toggle("wide", Math.min(...aspects) > 1.2);
  player.takes = [new Take(0), new Take(1)];
  if (data.mirrored) player.takes[1].view.classList.add("mirrored");
  $("time").max = String(LAST);
  player.plots = [addMatrix(), ...data.charts.map((chart) => addChart($("graphs"), chart))].filter(Boolean);
  if (data.angles.length) $("angles").append(element("p", "lead", data.angles_note));
  player.plots.push(...data.angles.map((chart) => addChart($("angles"), chart)));
  $("time").addEventListener("input", (event) => { player.pause(); player.go(Number(event.target.value)); });
  for (const id of ["play", "skeleton", "mirror", "loop"]) $(id).addEventListener("click", () => player.toggle(id));
  $("rate").addEventListener("change", (event) => { player.rate = Number(event.target.value); });
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.clear();
    player.plots.forEach((plot) => plot.redraw());
  });
  for (const take of player.takes) new ResizeObserver(() => take.draw()).observe(take.view);
  player.buttons();
  player.go(0);
}

start();
