import { outOfMemory } from '../../support/comfyui/workflows';
import { tokenOf } from '../support/admission/tokens';
import { browser, gateway, onePage, page, row, submit } from '../support/dashboard/one-page';

onePage();

test('without a token it asks for one, keeps it out of the address, and goes on', async () => {
  const { promptId } = await submit(outOfMemory(), 'asked');
  await page.goto(gateway.url);
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  await page.getByLabel('Token', { exact: true }).fill('not a token');
  await page.getByRole('button', { name: 'Show jobs' }).click();
  await page.getByText('does not take that token').waitFor();
  await page.getByLabel('Token', { exact: true }).fill(await tokenOf({ sub: 'asked' }));
  await page.getByRole('button', { name: 'Show jobs' }).click();
  await row(promptId).waitFor();
  await page.locator('[data-link="connected"]').waitFor();
  expect(page.url()).toBe(`${gateway.url}/`);
  await page.reload();
  await row(promptId).waitFor();
  expect(await page.evaluate('localStorage.length')).toBe(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  expect(await page.evaluate(`Object.values(sessionStorage).some((kept) => kept.includes('eyJ'))`)).toBe(false);
});

test('a token is taken with or without its Bearer, and why one is refused is told', async () => {
  await page.goto(gateway.url);
  const give = async (token: string) => {
    await page.getByLabel('Token', { exact: true }).fill(token);
    await page.getByRole('button', { name: 'Show jobs' }).click();
  };
  await give('not a token');
  await page.getByRole('alert').getByText('no JSON Web Token').waitFor();
  await give(await tokenOf({ sub: 'ada' }, { expires: '1h ago' }));
  await page.getByRole('alert').getByText('It ran out on').waitFor();
  await give(`Authorization: Bearer ${await tokenOf({ sub: 'bearer' })}`);
  await page.locator('[data-link="connected"]').waitFor();
  await page.locator('.who-am-i').getByText('bearer').waitFor();
});

test('a second tab is signed in by the first, and out with it', async () => {
  const context = await browser.newContext();
  const first = await context.newPage();
  await first.goto(`${gateway.url}/#token=${await tokenOf({ sub: 'tabs' })}`);
  await first.locator('[data-link="connected"]').waitFor();
  const second = await context.newPage();
  await second.goto(gateway.url);
  await second.locator('.who-am-i').getByText('tabs').waitFor();
  await first.getByRole('button', { name: 'Sign out' }).click();
  await second.getByRole('heading', { name: 'A token is needed' }).waitFor();
  await context.close();
});

test('a link does not exchange who is signed in without asking, not in a new tab either', async () => {
  const context = await browser.newContext();
  const first = await context.newPage();
  const link = `${gateway.url}/#token=${await tokenOf({ sub: 'mallory' })}`;
  await first.goto(`${gateway.url}/#token=${await tokenOf({ sub: 'ada' })}`);
  await first.locator('.who-am-i').getByText('ada').waitFor();
  const second = await context.newPage();
  for (const each of [first, second]) {
    await each.goto(link);
    await each.getByRole('button', { name: 'Stay ada' }).click();
    await each.locator('.who-am-i').getByText('ada').waitFor();
    expect(each.url()).not.toContain('token');
  }
  await second.goto(link);
  await second.getByRole('button', { name: 'Switch to mallory' }).click();
  await second.locator('.who-am-i').getByText('mallory').waitFor();
  await context.close();
});

test.each(['%', '', 'a%20b%', '%00'])('a link whose token is %p says so and shows the page', async (token) => {
  await page.goto(`${gateway.url}/#token=${token}`);
  await page.getByText('The token in that link cannot be read').waitFor();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
});
