import { access, signIn, signOut } from '../../live/access/access';
import { here } from '../../live/location';
import type { Session } from '../../live/session';
import { JobPage } from '../job/job-page';
import { ListPage } from '../list/list-page';
import { SessionContext } from '../parts/session-context';
import { DropZone } from '../submit/drop-zone';
import { SubmitDialog } from '../submit/submit-dialog';
import { Choice } from './choice';
import { Notices } from './notices';
import { OutageBanner } from './outage-banner';
import { SignIn } from './sign-in';
import { TabTitle } from './tab-title';
import { TopBar } from './top-bar';

/** The whole page. */
export function App() {
  const { value } = access;
  return (
    <>
      {value.tag === 'asking' && <SignIn {...(value.why !== undefined && { why: value.why })} signIn={signIn} />}
      {value.tag === 'choosing' && <Choice present={value.present} given={value.given} />}
      {value.tag === 'open' && <Opened session={value.session} key={value.session.token} />}
      <Notices />
    </>
  );
}

function Opened({ session }: { readonly session: Session }) {
  const place = here.value;
  return (
    <SessionContext.Provider value={session}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <TabTitle />
      <TopBar {...(session.token !== undefined && { signOut })} />
      <main id="main" tabIndex={-1}>
        <OutageBanner />
        {place.tag === 'list' ? (
          <ListPage wanted={place.wanted} />
        ) : (
          <JobPage key={place.promptId} promptId={place.promptId} />
        )}
      </main>
      <DropZone />
      <SubmitDialog />
    </SessionContext.Provider>
  );
}

/**
 * Moves the focus itself, because a link to `#main` would change the address, which names the place in the dashboard.
 */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
