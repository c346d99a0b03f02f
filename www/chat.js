'use strict';

const log = $('log');
const halley = new Halley('/comet', {since: '-50'});
$('user').value = localStorage.getItem('chat.user') || '';

/* Everything that came from elsewhere goes through textContent. */
function node(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function show(item) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(item);
  while (log.children.length > 500) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function colour(user) {
  let sum = 0;
  for (const c of user) sum = (sum * 31 + c.codePointAt(0)) % 8;
  return `var(--c${sum + 1})`;
}

/* The page's own form is {"user", "text"}; scripts may send whatever they like. */
function read(data, encoding) {
  if (encoding) return {user: 'bytes', text: data};
  if (data && typeof data.text === 'string') return {user: String(data.user || 'somebody'), text: data.text};
  return {user: 'script', text: typeof data === 'string' ? data : JSON.stringify(data)};
}

halley.subscribe('chat', ({id, at, data, encoding}) => {
  log.querySelector('.empty')?.remove();
  const {user, text} = read(data, encoding), item = document.createElement('li');
  const meta = node('div', 'meta', ''), time = node('time', '', new Date(at).toLocaleTimeString([], {timeStyle: 'short'}));
  time.dateTime = new Date(at).toISOString();
  time.title = `${new Date(at).toLocaleString()}, id ${id}`;
  meta.append(node('b', '', user), time);
  meta.firstChild.style.color = colour(user);
  item.append(meta, node('div', 'text', text));
  if (user === $('user').value) item.classList.add('mine');
  show(item);
});

halley.on('gap', () => show(node('li', 'note', 'Some messages are no longer held by the server.')));

followState(halley, $('say'));
halley.on('state', ({state}) => {
  const note = log.querySelector('.empty');
  if (state === 'open' && !log.children.length) show(node('li', 'note empty', 'Nobody has said anything yet.'));
  else if (note) note.textContent = state === 'open' ? 'Nobody has said anything yet.' : 'Nothing yet, and no connection.';
});

$('form').onsubmit = async event => {
  event.preventDefault();
  const message = {user: $('user').value.trim(), text: $('text').value};
  localStorage.setItem('chat.user', message.user);
  $('text').value = '';
  $('say').textContent = '';
  try {
    await halley.publish('chat', message);
  } catch (error) {
    $('say').textContent = `Not sent: ${error.message}`;
    $('text').value = $('text').value || message.text;
  }
  $('text').focus();
};

$($('user').value ? 'text' : 'user').focus({preventScroll: true});
