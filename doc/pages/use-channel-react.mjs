/* What came on a channel, for React: [messages, state, gap].
 *
 *   const [messages, state] = useChannel(halley, 'chat', {since: '-20', keep: 200});
 *
 * One Halley client serves the whole application; made outside of components, it survives them. */
import {useEffect, useState} from 'react';

export function useChannel(halley, channel, {since, keep = 100} = {}) {
  const [messages, setMessages] = useState([]);
  const [state, setState] = useState(halley.state);
  const [gap, setGap] = useState(false);

  useEffect(() => {
    setMessages([]);
    setGap(false);
    setState(halley.state);
    const leave = halley.subscribe(channel, message => {
      setMessages(all => [...all, message].slice(-keep));
    }, {since});
    leave.on('state', ({state}) => setState(state));
    leave.on('gap', () => setGap(true));
    leave.on('error', () => setState('refused'));
    return leave;
  }, [halley, channel, since, keep]);

  return [messages, state, gap];
}
