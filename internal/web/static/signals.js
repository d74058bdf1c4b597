// Tell the browser's password manager which passkeys still open this account (WebAuthn L3 §5.1.10), so that it stops
// offering the others. The list comes from the server, whole or not at all: what is not in it gets hidden.

const facts = document.getElementById('signals')?.dataset;
const api = window.PublicKeyCredential;

if (facts && api) {
  const rpId = facts.rp;
  const userId = facts.user;
  try {
    const allAcceptedCredentialIds = JSON.parse(facts.credentials);
    if (Array.isArray(allAcceptedCredentialIds) && allAcceptedCredentialIds.length > 0) { // [] would hide them all
      api.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds })?.catch(() => {});
    }
    if (facts.name) {
      api.signalCurrentUserDetails?.({ rpId, userId, name: facts.name, displayName: facts.display })?.catch(() => {});
    }
  } catch { /* a hint only: nothing depends on it */ }
}
