import { render } from 'preact';
import { start } from './live/access/access';
import { App } from './view/frame/app';
import './style/palette.css';
import './style/base.css';
import './style/frame.css';
import './style/list.css';
import './style/list-narrow.css';
import './style/job.css';
import './style/nodes.css';
import './style/reported.css';
import './style/dialog.css';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no #app');
start();
render(<App />, root);
