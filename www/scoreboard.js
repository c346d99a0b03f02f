'use strict';

let teams = ['Home', 'Away'], known = false;

function tell(minute, event, text) {
  const item = document.createElement('li'), at = document.createElement('span'), words = document.createElement('span');
  const name = document.createElement('b');
  item.className = event.split(' ')[0];
  at.className = 'at';
  at.textContent = `${minute}′`;
  name.textContent = event[0].toUpperCase() + event.slice(1);
  words.append(name, text ? ` ${text}` : '');
  item.append(at, words);
  $('told').prepend(item);
}

/* Each message is an event, and the match is the sum of them. The history of the channel
 * holds at least one whole match, so the same code shows the past and the present. */
function take({event, minute, score, side, player, teams: names}) {
  if (event === 'kickoff') {
    known = true;
    teams = names;
    $('told').replaceChildren();
  }
  if (!known) return; // the end of a match whose beginning is no longer held
  [$('home').textContent, $('away').textContent] = teams;
  $('score').textContent = `${score[0]} : ${score[1]}`;
  $('minute').textContent = /time/.test(event) ? `${event}, ${minute}′` : `${minute}′`;
  $('bar').firstElementChild.style.width = `${minute / 0.9}%`;
  if (event === 'clock') return;
  const who = player ? `${player}, ${teams[side]}` : '';
  tell(minute, event, event === 'goal' ? `${score[0]} : ${score[1]}. ${who}` : event === 'kickoff' ? teams.join(' – ') : who);
}

const halley = new Halley('/comet', {since: '-200'}), came = followAge($('match'), $('age'), 20);

halley.subscribe('scoreboard', ({at, data}) => {
  came(at);
  try { take(data); } catch (error) { console.warn('not an event of a match', data); }
});

// What is missed cannot be told any more; the score in the next event is right all the same.
halley.on('gap', () => { if (known) tell('?', 'gap', 'some of the match was missed'); });

followState(halley, $('say'));
