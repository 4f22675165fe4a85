// The table: its columns, sorting, and rows that are drawn as they come into view.

const chunk = 60; // rows drawn at once

// A column's value is what it sorts by; what is not known comes last in both directions. Its cell is what it shows: a text
// or elements.
const columns = [
  {key: 'start', head: 'Start (UTC)', value: s => s.at, down: true},
  {key: 'duration', head: 'Duration', value: s => s.duration_s, cell: s => [span(s.duration_s)], down: true, number: true},
  {key: 'who', head: 'Who', value: s => s.who, cell: s => [s.who, sub(s.role !== s.who ? s.role : '')]},
  {key: 'target', head: 'Target', value: s => s.target, cell: s => [s.target, sub(s.region)]},
  {key: 'account', head: 'Account', value: s => s.account_name || s.account, cell: s => [s.account_name || s.account, sub(s.account_name && s.account)]},
  {key: 'from', head: 'From', value: s => s.source_ip, cell: s => [s.source_ip]},
  {key: 'document', head: 'Document and reason', value: s => s.document || s.reason, cell: s => [s.document || s.reason, sub(s.document && s.reason)]},
  {key: 'mfa', head: 'MFA', value: s => s.mfa, cell: s => [s.mfa === 'no' ? badge('warn', 'no') : s.mfa]},
  {key: 'logged', head: 'Logged', value: s => s.logged, cell: s => [logged(s)]},
  {key: 'lines', head: 'Lines', value: s => s.lines, cell: s => [s.lines ? digits(s.lines) : ''], down: true, number: true},
  {key: 'state', head: 'State', value: s => s.state, cell: s => [s.outcome ? badge('bad', s.state) : s.state, alerts(s)]},
];

function badge(kind, text) {
  return el('span', {class: `badge ${kind}`}, text);
}

function sub(text) {
  return text ? el('span', {class: 'sub', title: text}, text) : undefined;
}

function logged(s) {
  if (s.logged === 'no') return badge('warn', 'not logged');
  return s.logged === 'tunnel' ? badge('plain', 'tunnel') : s.logged;
}

function alerts(s) {
  if (!s.alerts) return undefined;
  return el('span', {class: 'alerts', title: s.alerts.join('\n')}, badge('bad', s.alerts.length === 1 ? '1 alert' : `${s.alerts.length} alerts`));
}

const table = document.getElementById('table');
const body = table.tBodies[0];
const more = document.getElementById('more');
const search = document.getElementById('search');
const found = document.getElementById('found');

const order = {key: 'start', down: true};
let sorted = sessions.slice();
let shown = sessions; // found, in order
let drawn = 0;

function sort() {
  const {value} = columns.find(c => c.key === order.key);
  const known = v => v !== undefined && v !== '' && v === v;
  const sign = order.down ? -1 : 1;
  sorted = sessions.map(s => [value(s), s]).sort(([a, x], [b, y]) => {
    if (!known(a) || !known(b)) return known(b) - known(a) || x.index - y.index;
    return sign * (typeof a === 'number' ? a - b : collator.compare(a, b)) || x.index - y.index;
  }).map(([, s]) => s);
  for (const th of table.tHead.rows[0].cells) {
    th.setAttribute('aria-sort', th.dataset.key !== order.key ? 'none' : order.down ? 'descending' : 'ascending');
  }
  document.getElementById('sort').value = `${order.key} ${order.down ? 'down' : 'up'}`;
}

function sortBy(key, down) {
  order.key = key;
  order.down = down;
  sort();
  find();
}

function matching() {
  const tests = terms(search.value);
  return tests.length ? sorted.filter(s => tests.every(test => test(s))) : sorted;
}

// find shows what the search asks for.
function find() {
  shown = matching();
  found.textContent = shown.length === sessions.length ? `${digits(shown.length)} in all` : `${digits(shown.length)} of ${digits(sessions.length)}`;
  drawn = 0;
  body.replaceChildren();
  draw(chunk);
  table.setAttribute('aria-rowcount', shown.length + 1);
  document.dispatchEvent(new Event('found'));
}

// findAgain does so after more of the sessions became known. Where that changes nothing the rows stay, and the focus does.
function findAgain() {
  const now = matching();
  if (now.length === shown.length && now.every((s, i) => s === shown[i])) return;
  const focused = shown[rowOf(document.activeElement)];
  find();
  if (focused) focusRow(shown.indexOf(focused));
}

// draw adds rows up to a number.
function draw(to) {
  const rows = shown.slice(drawn, to).map((s, i) => row(s, drawn + i));
  body.append(...rows);
  drawn += rows.length;
  more.hidden = drawn >= shown.length;
  if (!shown.length) body.append(el('tr', {}, el('td', {class: 'none', colspan: columns.length}, 'No session has all of these words.')));
}

function row(s, i) {
  const tr = el('tr', {'aria-rowindex': i + 2, class: s.outcome ? 'attempt' : ''});
  tr.dataset.index = s.index;
  for (const c of columns) {
    if (c.key === 'start') {
      const button = el('button', {type: 'button', tabindex: i ? -1 : 0, 'aria-haspopup': 'dialog'}, s.day ? (s.started ? '' : '≤ ') + time(s.started || s.resumed || s.ended).slice(0, 16) : 'unknown');
      tr.append(el('th', {scope: 'row', 'data-key': c.key, 'data-label': c.head}, button));
      continue;
    }
    const parts = c.cell(s).filter(Boolean);
    const title = typeof parts[0] === 'string' ? parts[0] : '';
    const value = parts.length ? el('span', {class: 'value', title}, ...parts) : '';
    tr.append(el('td', {'data-key': c.key, 'data-label': c.head, class: c.number ? 'number' : ''}, value));
  }
  return tr;
}

// focusRow moves the focus; only one row is among the stops of the tab key.
function focusRow(i) {
  i = Math.max(0, Math.min(i, shown.length - 1));
  if (i >= drawn) draw(i + chunk);
  const button = body.rows[i] && body.rows[i].querySelector('button');
  if (!button) return;
  for (const other of body.querySelectorAll('button[tabindex="0"]')) other.tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
  button.scrollIntoView({block: 'nearest'});
}

function rowOf(node) {
  const tr = node.closest('tbody tr');
  return tr ? tr.sectionRowIndex : -1;
}

function startTable() {
  const head = table.tHead.rows[0];
  const select = document.getElementById('sort');
  for (const c of columns) {
    const button = el('button', {type: 'button'}, c.head);
    button.addEventListener('click', () => sortBy(c.key, order.key === c.key ? !order.down : Boolean(c.down)));
    head.append(el('th', {scope: 'col', 'data-key': c.key, class: c.number ? 'number' : ''}, button));
    select.append(el('option', {value: `${c.key} up`}, `${c.head} ↑`), el('option', {value: `${c.key} down`}, `${c.head} ↓`));
  }
  select.addEventListener('change', () => {
    const [key, direction] = select.value.split(' ');
    sortBy(key, direction === 'down');
  });
  search.addEventListener('input', find);
  more.addEventListener('click', () => draw(drawn + chunk));
  const watch = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || more.hidden) return;
    draw(drawn + chunk);
    watch.unobserve(more); // to be told again if it is still in view
    watch.observe(more);
  }, {rootMargin: '800px'});
  watch.observe(more);
  body.addEventListener('click', event => {
    const tr = event.target.closest('tr[data-index]');
    if (tr && !String(getSelection())) openSession(Number(tr.dataset.index));
  });
  body.addEventListener('keydown', event => {
    const i = rowOf(event.target);
    const to = {ArrowDown: i + 1, ArrowUp: i - 1, PageDown: i + 10, PageUp: i - 10, Home: 0, End: shown.length - 1}[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (to < 0 && event.key === 'ArrowUp') search.focus();
    else focusRow(to);
  });
}
