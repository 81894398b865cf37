import { checkedBody } from './check';

/** Runs in the checking thread, once per large body. */
export default checkedBody;
