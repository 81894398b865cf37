/** Messages between tabs of one browser. Other origins do not get them. */
type Message =
  | { readonly tag: 'who' }
  | { readonly tag: 'token'; readonly token: string }
  | { readonly tag: 'signed out'; readonly token: string };

/** How long to wait for another tab's answer. */
const PATIENCE_MS = 300;

export interface OtherTabs {
  /** The token of a tab that is signed in, if there is one. */
  ask(): Promise<string | undefined>;
  tellSignedIn(token: string): void;
  tellSignedOut(token: string): void;
}

interface Hearing {
  /** The token that this tab is signed in with. */
  readonly token: () => string | undefined;
  /** Another tab signed in, or answered that it is signed in. */
  readonly signedIn: (token: string) => void;
  readonly signedOut: (token: string) => void;
}

/** Talks to the other open tabs. They hand the token on and store it nowhere else: it is gone with the last tab. */
export function otherTabs({ token, signedIn, signedOut }: Hearing): OtherTabs {
  const channel = new BroadcastChannel('comfyui-jobstream');
  const say = (message: Message): void => channel.postMessage(message);
  let answered: ((token: string) => void) | undefined;
  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    const own = token();
    if (data.tag === 'who' && own !== undefined) say({ tag: 'token', token: own });
    if (data.tag === 'signed out') signedOut(data.token);
    if (data.tag !== 'token') return;
    if (answered) answered(data.token);
    else signedIn(data.token);
  };
  return {
    ask: () =>
      new Promise((resolve) => {
        const done = (found?: string): void => {
          clearTimeout(patience);
          answered = undefined;
          resolve(found);
        };
        const patience = setTimeout(done, PATIENCE_MS);
        answered = done;
        say({ tag: 'who' });
      }),
    tellSignedIn: (given) => say({ tag: 'token', token: given }),
    tellSignedOut: (given) => say({ tag: 'signed out', token: given }),
  };
}
