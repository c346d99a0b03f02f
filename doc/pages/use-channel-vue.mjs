/* What came on a channel, for Vue: refs of its messages, the state, and whether some are missing.
 *
 *   const {messages, state} = useChannel(halley, () => props.room, {since: '-20', keep: 200});
 *
 * One Halley client serves the whole application; the channel may be a text, a ref or a getter. */
import {onScopeDispose, ref, shallowRef, toValue, watch} from 'vue';

export function useChannel(halley, channel, {since, keep = 100} = {}) {
  const messages = shallowRef([]), state = ref(halley.state), gap = ref(false);
  let leave = () => {};

  watch(() => toValue(channel), name => {
    leave();
    messages.value = [];
    gap.value = false;
    state.value = halley.state;
    leave = halley.subscribe(name, message => {
      messages.value = [...messages.value, message].slice(-keep);
    }, {since});
    leave.on('state', event => { state.value = event.state; });
    leave.on('gap', () => { gap.value = true; });
    leave.on('error', () => { state.value = 'refused'; });
  }, {immediate: true});

  onScopeDispose(() => leave());
  return {messages, state, gap};
}
