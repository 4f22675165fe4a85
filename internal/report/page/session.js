// One session: everything known of it, its commands and text.

const dialog = document.getElementById('session');
let opened = -1;
const commands = {};  // list: those of each session, once ready has come true

function openSession(index) {
  const s = sessions[index];
  if (!s) return;
  opened = index;
  dialog.replaceChildren(sessionHead(s), sessionFacts(s), sessionText(s));
  if (!dialog.open) {
    dialog.showModal();
    dialog.focus(); // so that keys scroll it
  }
  dialog.scrollTop = 0;
  history.replaceState(null, '', `#${index + 1}`);
}

function sessionHead(s) {
  const place = shown.indexOf(s);
  const step = (text, by) => {
    const button = el('button', {type: 'button'}, text);
    button.disabled = place < 0 || !shown[place + by];
    button.addEventListener('click', () => {
      openSession(shown[place + by].index);
      const again = [...dialog.querySelectorAll('nav button')].find(b => b.textContent === text);
      (again.disabled ? dialog : again).focus();
    });
    return button;
  };
  const close = el('button', {type: 'button', class: 'close', 'aria-label': 'Close'}, '✕');
  close.addEventListener('click', () => dialog.close());
  const title = el('h2', {id: 'session-head'}, s.who, el('span', {class: 'to'}, s.outcome ? ' ⇸ ' : ' → '), s.target || 'target not known');
  return el('header', {}, title, el('nav', {'aria-label': 'Sessions'}, step('Previous', -1), step('Next', 1), close));
}

function sessionFacts(s) {
  const list = el('dl', {});
  const add = (name, value, wide) => {
    if (value) list.append(el('div', {class: wide || ''}, el('dt', {}, name), el('dd', {}, value)));
  };
  const utc = t => t ? `${time(t)} UTC` : '';
  add('State', s.outcome ? badge('bad', s.state) : s.state);
  add('Started', utc(s.started) || (s.start_not_seen ? 'not seen: only its log was' : ''));
  add('Resumed', utc(s.resumed));
  add('Ended', utc(s.ended));
  add('Duration', span(s.duration_s));
  add('Ended by', s.terminated_by);
  add('User', s.user);
  add('Role', s.role);
  add('Actor', [s.actor_arn, s.actor_kind && `(${s.actor_kind})`].filter(Boolean).join(' '), 'wide');
  add('MFA', s.mfa === 'no' ? badge('warn', 'no') : s.mfa || 'not known');
  add('From', s.source_ip);
  add('User agent', s.user_agent, 'wide');
  add('Account', [s.account_name, s.account].filter(Boolean).join(', '));
  add('Region', s.region);
  add('Target', s.target);
  add('Service', s.service);
  add('Document', s.document);
  add('Reason', s.reason);
  add('Logged', s.outcome ? '' : logged(s) || 'not known');
  add('Log', s.lines || s.bytes ? `${digits(s.lines || 0)} lines, ${bytes(s.bytes || 0)}` : '');
  add('Session', s.id);
  const box = el('section', {'aria-label': 'Facts'});
  if (s.error) box.append(el('p', {class: 'alert'}, s.error));
  for (const text of s.alerts || []) box.append(el('p', {class: 'alert'}, text));
  box.append(list);
  return box;
}

function sessionText(s) {
  const box = el('section', {class: 'log', 'aria-label': 'Log'});
  if (s.log_error) box.append(el('p', {class: 'alert'}, `The log could not be read to its end: ${s.log_error}`));
  if (s.file) box.append(el('p', {}, el('a', {href: `${encodeURIComponent(report.folder)}/${encodeURIComponent(s.file)}`}, 'The whole text'), ' (a file beside this page)'));
  if (!s.log) {
    if (!s.file) box.append(el('p', {class: 'small'}, 'No text of this session is in the page.'));
    return box;
  }
  const wait = el('p', {class: 'small', role: 'status'}, 'Unpacking …');
  box.append(wait);
  Promise.all([unpack(`t${s.index}`), unpackCommands()]).then(([text]) => {
    const typed = commands.list[s.index];
    wait.replaceWith(...sessionCommands(s, typed), ...sessionLines(s, text, typed));
  }, failure => wait.replaceWith(el('p', {class: 'alert'}, failure.message)));
  return box;
}

function sessionCommands(s, typed) {
  if (!typed.length && !s.more) return [];
  const list = el('ol', {class: 'commands'});
  for (const {prompt, text, asksSecret} of typed) {
    list.append(el('li', {}, el('span', {class: 'prompt'}, prompt), el('code', {}, text), asksSecret ? badge('warn', 'asks for a secret') : ''));
  }
  const rest = s.more ? el('p', {class: 'small'}, `${digits(s.more)} more are not listed.`) : '';
  return [el('h3', {}, 'Commands ', badge('plain', 'a guess')), list, rest];
}

// sessionLines are the text. Lines that are a command, by the same guess, stand out.
function sessionLines(s, text, typed) {
  const isCommand = new Set(typed.map(({prompt, text}) => (prompt + text.split('\n')[0]).trimEnd()));
  const lines = part => {
    const pre = el('pre', {tabindex: 0});
    let plain = [];
    for (const line of part.split(/(?<=\n)/)) {
      if (!isCommand.has(line.trimEnd())) {
        plain.push(line);
        continue;
      }
      pre.append(plain.join(''), el('mark', {}, line.trimEnd()));
      plain = ['\n'];
    }
    pre.append(plain.join(''));
    return pre;
  };
  const parts = [el('h3', {}, 'Text of the log'), lines(text.head)];
  if (text.bytes) {
    const where = s.file ? 'they are in the file' : 'they are not in this report';
    parts.push(el('p', {class: 'gap'}, `${digits(text.lines || 0)} lines (${bytes(text.bytes)}) are left out here; ${where}`), lines(text.tail || ''));
  }
  return parts;
}

// unpackCommands unpacks the commands of all sessions, once, so that the search finds them.
function unpackCommands() {
  commands.ready ||= unpack('commands').then(list => {
    commands.list = list.map(withPrompts);
    commands.list.forEach((typed, i) => {
      sessions[i].typed = typed.map(({text}) => text).join('\n').toLowerCase();
    });
  });
  return commands.ready;
}

// withPrompts gives each command its prompt; in the page one that is as before is left out.
function withPrompts(list) {
  let last = '';
  return (list || []).map(([text, prompt, asksSecret]) => {
    last = prompt || last;
    return {prompt: last, text, asksSecret};
  });
}

function startSession() {
  dialog.addEventListener('click', event => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener('close', () => {
    history.replaceState(null, '', location.pathname + location.search);
    const place = shown.indexOf(sessions[opened]);
    if (place >= 0 && place < drawn) focusRow(place);
  });
}
