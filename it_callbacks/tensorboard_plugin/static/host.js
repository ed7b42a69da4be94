// What this frame learns from the TensorBoard around it, for which there is no public interface.

// TensorBoard's reload button and timer speak over a channel that the frame has to open; each
// message that is no reply awaits one.
export function onReload(then) {
  const {port1: ours, port2: theirs} = new MessageChannel();
  ours.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.isReply) return;
    const reply = {...message, payload: null, error: null, isReply: true};
    ours.postMessage(JSON.stringify(reply));
    if (message.type === "experimental.DataReloaded") then();
  };
  window.parent.postMessage("experimental.bootstrap", "*", [theirs]);
}

// "dark" or "light" now, and again whenever the reader switches.
export function onTheme(then) {
  const {body} = window.parent.document;
  const tell = () => then(body.classList.contains("dark-mode") ? "dark" : "light");
  new MutationObserver(tell).observe(body, {attributes: true, attributeFilter: ["class"]});
  tell();
}

// Another tab in front leaves the frame alive without height; its document still calls itself
// visible.
export function onResize(place, then) {
  new ResizeObserver(() => then()).observe(place);
}

export const isHidden = () => window.innerHeight === 0 || document.hidden;
