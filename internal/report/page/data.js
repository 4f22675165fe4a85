// What the page knows of the sessions, and how it finds them.

const report = JSON.parse(document.getElementById('rows').textContent);
const sessions = report.sessions;
const collator = new Intl.Collator('en', {numeric: true, sensitivity: 'base'});

// el makes an element. Children that are strings become text, whatever is in them.
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== '') e.setAttribute(name, value);
  }
  e.append(...children.filter(child => child !== undefined && child !== ''));
  return e;
}

// time shows RFC 3339 in UTC as "2026-11-03 14:05:22".
function time(t) {
  return t ? t.slice(0, 19).replace('T', ' ') : '';
}

// span shows seconds in their two largest units.
function span(s) {
  if (s === undefined) return '';
  const two = n => String(Math.floor(n)).padStart(2, '0');
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${two(s % 86400 / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(s % 3600 / 60)} m`;
  if (s >= 60) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  return `${s} s`;
}

function digits(n) {
  return n.toLocaleString('en');
}

function count(n) {
  return n === 1 ? '1 session' : `${digits(n)} sessions`;
}

function bytes(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} MB`;
  return n >= 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${n} bytes`;
}

// fields are what a search compares exactly.
const fields = {
  who: s => [s.who],
  role: s => [s.role],
  target: s => [s.target],
  account: s => [s.account, s.account_name],
  region: s => [s.region],
  from: s => [s.source_ip],
  document: s => [s.document],
  day: s => [s.day],
  state: s => [s.state],
  logged: s => s.outcome ? [] : [s.logged || 'unknown'],
  mfa: s => [s.mfa || 'unknown'],
  is: s => [s.outcome && 'attempt', s.alerts && 'alert'],
};

sessions.forEach((s, i) => {
  s.index = i;
  const at = s.started || s.resumed || s.ended;
  s.at = at ? Date.parse(at) : NaN;
  s.day = at ? at.slice(0, 10) : '';
  s.text = [s.id, s.state, s.started, s.ended, s.day, s.who, s.role, s.actor_arn, s.source_ip, s.user_agent, s.account,
    s.account_name, s.region, s.service, s.target, s.document, s.reason, s.outcome, s.error, s.terminated_by, ...s.alerts || []]
    .join('\n').toLowerCase();
  s.typed = ''; // its commands, once they are unpacked
});

// terms reads a search: words and "quoted ones", all of which must occur; key:value compares exactly; - before one is not.
function terms(query) {
  const list = [];
  for (const [, minus, key, quoted, word] of query.toLowerCase().matchAll(/(-?)(?:([a-z]+):)?(?:"((?:[^"]|"")*)"?|(\S+))/g)) {
    const value = quoted === undefined ? word : quoted.replaceAll('""', '"');
    let test;
    if (Object.hasOwn(fields, key || '')) {
      test = s => fields[key](s).some(have => have && have.toLowerCase() === value);
    } else {
      const part = key ? `${key}:${value}` : value;
      test = s => s.text.includes(part) || s.typed.includes(part);
    }
    list.push(minus ? s => !test(s) : test);
  }
  return list;
}

// term is the search for an exact value.
function term(key, value) {
  return /^[^\s"]+$/.test(value) ? `${key}:${value}` : `${key}:"${value.replaceAll('"', '""')}"`;
}

// unpack returns the JSON in a compressed block of the page. Blocks stand behind the script.
async function unpack(id) {
  if (document.readyState === 'loading') {
    await new Promise(done => document.addEventListener('DOMContentLoaded', done, {once: true}));
  }
  if (!window.DecompressionStream) {
    throw new Error('This browser can not unpack texts: it lacks DecompressionStream, which browsers have since 2023.');
  }
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), c => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}
