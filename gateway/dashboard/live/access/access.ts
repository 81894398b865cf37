import { signal, type ReadonlySignal } from '@preact/signals';
import { whyRefused } from '../api';
import { forgetSubmissions } from '../jobs/own-submissions';
import { notify } from '../notices';
import { openSession, type Session } from '../session';
import { otherTabs } from './other-tabs';
import { currentToken, flawOf, forgetToken, keepToken, linkedToken } from './token';

/** Where one stands: seeing jobs, asked for a token, or asked whether a link may change who one is. */
export type Access =
  | { readonly tag: 'starting' }
  | { readonly tag: 'open'; readonly session: Session }
  | { readonly tag: 'asking'; readonly why?: string }
  | { readonly tag: 'choosing'; readonly present: string; readonly given: string };

const current = signal<Access>({ tag: 'starting' });
export const access: ReadonlySignal<Access> = current;

/** Refused ones, which other tabs may still hold. */
const refused = new Set<string>();

const tabs = otherTabs({
  token: () => (current.value.tag === 'open' ? current.value.session.token : undefined),
  signedIn: (token) => {
    if (current.value.tag === 'asking' && !refused.has(token)) signIn(token);
  },
  signedOut: (token) => {
    if (current.value.tag === 'open' && current.value.session.token === token) leave();
  },
});

/** Opens the page: by the token of a link, of this tab, or of another tab; or without one, where none is needed. */
export function start(): void {
  const own = currentToken();
  const linked = linkedToken();
  if (linked.tag === 'none') {
    open(own);
    return;
  }
  if (linked.tag === 'unreadable') {
    notify('The token in that link cannot be read: it is cut off or damaged.');
    open(own);
    return;
  }
  void take(linked.token, own);
}

/** A link that somebody else made is not to exchange who one is in silence. */
async function take(given: string, own: string | undefined): Promise<void> {
  const present = own ?? (await tabs.ask());
  if (present === undefined || present === given) {
    enter(given);
    return;
  }
  closeSession();
  current.value = { tag: 'choosing', present, given };
}

export function enter(token: string): void {
  if (token !== currentToken()) {
    forgetSubmissions();
    forgetToken();
  }
  keepToken(token);
  open(token);
}

/** With a token that a person gave: other tabs that ask for one take it. */
export function signIn(token: string): void {
  refused.delete(token);
  enter(token);
  tabs.tellSignedIn(token);
}

export function signOut(): void {
  const token = currentToken();
  if (token !== undefined) tabs.tellSignedOut(token);
  leave();
}

function leave(): void {
  forgetToken();
  forgetSubmissions();
  // Whoever is signed in at another tab is not who signed out here.
  open(undefined, false);
}

function closeSession(): void {
  if (current.value.tag === 'open') current.value.session.close();
}

function open(token: string | undefined, asksTabs = true): void {
  closeSession();
  const session: Session = openSession(token, () => void refuse(session, token, asksTabs));
  current.value = { tag: 'open', session };
}

async function refuse(session: Session, token: string | undefined, asksTabs: boolean): Promise<void> {
  if (current.value.tag !== 'open' || current.value.session !== session) return;
  session.close();
  if (token !== undefined) refused.add(token);
  forgetToken();
  current.value = { tag: 'asking', ...(token !== undefined && { why: flawOf(token, Date.now()) ?? REFUSED }) };
  const asking = current.value;
  const other = asksTabs ? await tabs.ask() : undefined;
  if (current.value !== asking) return;
  if (other !== undefined && !refused.has(other)) {
    enter(other);
    return;
  }
  if (token === undefined) return;
  const why = await whyRefused(token);
  if (current.value === asking && why !== undefined) current.value = { tag: 'asking', why };
}

const REFUSED =
  'It is signed with another key than the gateway’s, made for another issuer or audience, or was revoked.';

// A link with a token may be followed while the page is open.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) start();
});
