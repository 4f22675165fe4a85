// The timeline: a lane for each target. Only lanes in view are drawn, and in a lane sessions that would cover one another
// become one bar, so that its cost does not grow with the number of sessions.

const svgNS = 'http://www.w3.org/2000/svg';
const laneHeight = 22;
const timeline = document.getElementById('timeline');
const lanes = timeline.querySelector('.lanes');
const axis = timeline.querySelector('.axis');

let range = {from: 0, to: 1}; // ms
let targets = []; // {name, sessions, last}

function svg(tag, attributes, text) {
  const e = document.createElementNS(svgNS, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  if (text !== undefined) e.textContent = text;
  return e;
}

// kinds of bars; the later ones are drawn over the earlier.
const kinds = ['yes', 'tunnel', 'unknown', 'no', 'bad'];

function kind(s) {
  if (s.outcome || s.alerts && s.alerts.some(a => a !== 'unlogged')) return 'bad'; // that one has a colour of its own
  return kinds.includes(s.logged) ? s.logged : 'unknown';
}

function endOf(s) {
  return s.ended ? Date.parse(s.ended) : s.at;
}

// setLanes groups what was found by target, those with the latest session first.
function setLanes() {
  const byName = new Map();
  for (const s of shown) {
    if (s.at !== s.at) continue;
    const name = s.target || '(no target known)';
    let lane = byName.get(name);
    if (!lane) byName.set(name, lane = {name, known: Boolean(s.target), sessions: [], last: 0, sorted: undefined});
    lane.sessions.push(s);
    lane.last = Math.max(lane.last, s.at);
  }
  targets = [...byName.values()].sort((a, b) => b.last - a.last || collator.compare(a.name, b.name));
  timeline.hidden = !targets.length;
  lanes.scrollTop = 0;
  drawLanes(true);
}

function setRange() {
  const times = sessions.map(s => s.at).filter(at => at === at);
  const ends = sessions.map(endOf).filter(at => at === at);
  range.from = report.since ? Date.parse(report.since) : times.reduce((a, b) => Math.min(a, b), Infinity);
  range.to = report.until ? Date.parse(report.until) : ends.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(range.to > range.from)) range.to = range.from + 1;
}

// bars joins sessions of one kind that meet in the same pixels.
function bars(lane, k, x) {
  const list = [];
  for (const s of lane.sessions) {
    if (kind(s) !== k || endOf(s) < range.from || s.at > range.to) continue;
    const from = Math.max(0, Math.floor(x(s.at)));
    const to = Math.max(from + 3, Math.ceil(x(endOf(s))));
    const last = list[list.length - 1];
    if (last && from <= last.to) {
      last.to = Math.max(last.to, to);
      last.sessions.push(s);
    } else {
      list.push({from, to, kind: k, sessions: [s]});
    }
  }
  return list;
}

function says(bar) {
  const s = bar.sessions[0];
  if (bar.sessions.length === 1) {
    return `${s.who}, ${time(s.started || s.resumed || s.ended)}${s.duration_s === undefined ? '' : ', ' + span(s.duration_s)} UTC, ${s.state}`;
  }
  const who = [...new Set(bar.sessions.map(x => x.who))];
  return `${count(bar.sessions.length)} from ${s.day} on: ${who.slice(0, 5).join(', ')}${who.length > 5 ? ` and ${who.length - 5} more` : ''}`;
}

// drawLanes draws the lanes in view. Those that are there already stay, and with them the focus, unless afresh is set.
function drawLanes(afresh) {
  if (!lanes.clientWidth) return; // hidden
  const labels = Math.min(210, Math.round(lanes.clientWidth / 3));
  const width = lanes.clientWidth - labels - 8;
  const x = at => Math.max(0, Math.min(width, (at - range.from) / (range.to - range.from) * width));
  const first = Math.max(0, Math.floor(lanes.scrollTop / laneHeight) - 2);
  const last = Math.min(targets.length, Math.ceil((lanes.scrollTop + lanes.clientHeight) / laneHeight) + 2);
  const inner = lanes.firstElementChild;
  inner.style.height = `${targets.length * laneHeight}px`;
  const there = new Set();
  for (const div of [...inner.children]) {
    const i = Number(div.dataset.lane);
    if (afresh || i < first || i >= last) div.remove();
    else there.add(i);
  }
  for (let i = first; i < last; i++) {
    if (!there.has(i)) inner.append(drawLane(targets[i], i, labels, width, x));
  }
  if (afresh) drawAxis(labels, width, x);
}

function drawLane(lane, i, labels, width, x) {
  const label = el('button', {type: 'button', title: lane.name, 'aria-label': `${lane.name}: ${count(lane.sessions.length)}`}, lane.name);
  if (lane.known) Object.assign(label.dataset, {key: 'target', value: lane.name});
  else label.disabled = true;
  label.style.width = `${labels - 8}px`;
  const line = svg('svg', {width, height: laneHeight, 'aria-hidden': true});
  line.append(svg('line', {x1: 0, x2: width, y1: laneHeight - 0.5, y2: laneHeight - 0.5}));
  if (!lane.sorted) lane.sorted = lane.sessions.sort((a, b) => a.at - b.at);
  for (const bar of kinds.flatMap(k => bars(lane, k, x))) {
    const rect = svg('rect', {class: bar.kind, x: bar.from, y: 5, width: bar.to - bar.from, height: laneHeight - 9, rx: 1.5});
    rect.append(svg('title', {}, says(bar)));
    if (bar.sessions.length === 1) rect.dataset.index = bar.sessions[0].index;
    else rect.dataset.find = lane.known ? term('target', lane.name) : term('day', bar.sessions[0].day);
    line.append(rect);
  }
  const div = el('div', {class: 'lane', 'data-lane': i}, label, line);
  div.style.top = `${i * laneHeight}px`;
  return div;
}

function drawAxis(offset, width, x) {
  const day = 86400e3;
  const days = (range.to - range.from) / day;
  const step = day * Math.max(1, Math.ceil(days / Math.max(1, width / 60)));
  axis.setAttribute('width', offset + width + 8);
  axis.setAttribute('height', 18);
  axis.replaceChildren();
  for (let at = Math.ceil(range.from / day) * day; at <= range.to; at += step) {
    const label = new Date(at).toLocaleDateString('en-GB', {day: 'numeric', month: 'short', timeZone: 'UTC'});
    axis.append(svg('line', {x1: offset + x(at) + 0.5, x2: offset + x(at) + 0.5, y1: 12, y2: 18}));
    if (offset + x(at) + 40 < offset + width) axis.append(svg('text', {x: offset + x(at) + 3, y: 12}, label));
  }
}

function startTimeline() {
  setRange();
  lanes.append(el('div', {}));
  const soon = draw => {
    let due = 0;
    return () => {
      cancelAnimationFrame(due);
      due = requestAnimationFrame(() => draw());
    };
  };
  document.addEventListener('found', soon(setLanes));
  lanes.addEventListener('scroll', soon(drawLanes), {passive: true});
  let width = 0;
  new ResizeObserver(() => {
    if (lanes.clientWidth === width) return;
    width = lanes.clientWidth;
    requestAnimationFrame(() => drawLanes(true));
  }).observe(timeline);
  lanes.addEventListener('click', event => {
    const bar = event.target.closest('rect');
    if (!bar) return;
    if (bar.dataset.index) openSession(Number(bar.dataset.index));
    else lookFor(bar.dataset.find);
  });
}
