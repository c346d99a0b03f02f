'use strict';

const halley = new Halley('/comet', {since: '-5'});

followState(halley, $('say'));
followShell(halley, $('line'));
halley.on('state', ({state}) => {
  const empty = $('feed').querySelector('.empty');
  if (empty) empty.textContent = state === 'open' ? 'Nothing yet. The page listens.' : 'Nothing yet, and no connection.';
});

halley.subscribe('chat', ({id, at, data}) => {
  const chat = data && typeof data.text === 'string';
  const node = (name, text, parent) => {
    const child = parent.appendChild(document.createElement(name));
    child.textContent = text;
    return child;
  };
  $('feed').querySelector('.empty')?.remove();
  const item = document.createElement('li');
  const meta = node('div', '', item);
  meta.className = 'meta';
  node('b', chat ? String(data.user || 'somebody') : 'a script', meta);
  node('time', new Date(at).toLocaleTimeString(), meta);
  node('span', id, meta).title = 'id of the message';
  node('div', chat ? data.text : typeof data === 'string' ? data : JSON.stringify(data), item);
  $('feed').prepend(item);
  while ($('feed').children.length > 50) $('feed').lastChild.remove();
});

$('form').onsubmit = async event => {
  event.preventDefault();
  $('say').textContent = '';
  try {
    await halley.publish('chat', {user: 'this page', text: $('text').value});
    $('form').reset();
  } catch (error) {
    $('say').textContent = error.message;
  }
};

$('copy').onclick = async () => {
  getSelection().selectAllChildren($('line'));
  try { await navigator.clipboard.writeText($('line').textContent); } catch { document.execCommand('copy'); }
  $('copy').textContent = 'Copied';
  setTimeout(() => { $('copy').textContent = 'Copy'; }, 2000);
};
