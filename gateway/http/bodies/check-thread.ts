import { checkedBody } from './check';

/** What a thread of the pool does. */
export default checkedBody;
