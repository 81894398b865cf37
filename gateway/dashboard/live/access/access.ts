import { signal, type ReadonlySignal } from '@preact/signals';
import { whyRefused } from '../api';
import { forgetSubmissions } from '../jobs/own-submissions';
import { notify } from '../notices';
import { openSession, type Session } from '../session';
import { otherTabs } from './other-tabs';
import { currentToken, flawOf, forgetToken, keepToken, linkedToken } from './token';

/**
 * What the page shows: jobs (`open`), a form for a token (`asking`), or whether to switch to a link's user
 * (`choosing`).
 */
export type Access =
  | { readonly tag: 'starting' }
  | { readonly tag: 'open'; readonly session: Session }
  | { readonly tag: 'asking'; readonly why?: string }
  | { readonly tag: 'choosing'; readonly present: string; readonly given: string };

const current = signal<Access>({ tag: 'starting' });
export const access: ReadonlySignal<Access> = current;

/** Tokens that the gateway refused: another tab may still offer them. */
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

/** Opens the page with the token of a link or of this tab, or without one. If that is refused, other tabs are asked. */
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

/**
 * Signs in by a link's token; asks first if another user is signed in, because somebody else may have made the link.
 */
async function take(given: string, own: string | undefined): Promise<void> {
  const present = own ?? (await tabs.ask());
  if (present === undefined || present === given) {
    enter(given);
    return;
  }
  closeSession();
  current.value = { tag: 'choosing', present, given };
}

/** Opens a session with this token. If the token changes, what this tab kept under the old one is deleted. */
export function enter(token: string): void {
  if (token !== currentToken()) {
    forgetSubmissions();
    forgetToken();
  }
  keepToken(token);
  open(token);
}

/** Signs in with a token that the person entered. Other tabs that wait for one take it too. */
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
  // Do not ask other tabs: the person who just signed out here must not be signed in as another tab's user.
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

// The person may follow a link with a token while the page is open.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) start();
});
