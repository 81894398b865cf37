import { signal } from '@preact/signals';
import { here } from '../../live/location';
import { openSession, type Session } from '../../live/session';
import { currentToken, forgetToken, keepToken } from '../../live/token';
import { forgetSubmissions } from '../../live/own-submissions';
import { DropZone } from '../submit/drop-zone';
import { JobPage } from '../job/job-page';
import { ListPage } from '../list/list-page';
import { Notices } from './notices';
import { SessionContext } from '../parts/session-context';
import { SignIn } from './sign-in';
import { SubmitDialog } from '../submit/submit-dialog';
import { TabTitle } from './tab-title';
import { TopBar } from './top-bar';

/** One that sees jobs, or none while a token is asked for. `refused` if one was given before. */
type Access =
  { readonly tag: 'open'; readonly session: Session } | { readonly tag: 'asking'; readonly refused: boolean };

const access = signal<Access>(opened());

function opened(): Access {
  const token = currentToken();
  const session: Session = openSession(token, () => {
    session.close();
    forgetToken();
    access.value = { tag: 'asking', refused: token !== undefined };
  });
  return { tag: 'open', session };
}

function signIn(token: string): void {
  keepToken(token);
  access.value = opened();
}

function signOut(): void {
  if (access.value.tag === 'open') access.value.session.close();
  forgetToken();
  forgetSubmissions();
  access.value = opened();
}

// A link with a token may be followed while the page is open.
addEventListener('hashchange', () => {
  if (!location.hash.startsWith('#token=')) return;
  if (access.value.tag === 'open') access.value.session.close();
  access.value = opened();
});

/** The whole page. */
export function App() {
  if (access.value.tag === 'asking') return <SignIn refused={access.value.refused} signIn={signIn} />;
  const { session } = access.value;
  const place = here.value;
  return (
    <SessionContext.Provider value={session} key={session.token}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <TabTitle />
      <TopBar {...(session.token !== undefined && { signOut })} />
      <main id="main" tabIndex={-1}>
        {place.tag === 'list' ? (
          <ListPage wanted={place.wanted} />
        ) : (
          <JobPage key={place.promptId} promptId={place.promptId} />
        )}
      </main>
      <DropZone />
      <SubmitDialog />
      <Notices />
    </SessionContext.Provider>
  );
}

/** By hand: the address tells the place in the dashboard. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
