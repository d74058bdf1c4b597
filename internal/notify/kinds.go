package notify

// Kind names one sort of mail. Stored in notify_sent, so never renamed.
type Kind string

const (
	SignUpCheck  Kind = "signup_check"  // is this address read? the answer confirms it
	ContactCheck Kind = "contact_check" // the same for an address added later
	TakenSignUp  Kind = "taken_signup"  // instead of SignUpCheck, to the owner of the address
	TakenContact Kind = "taken_contact" // instead of ContactCheck
	FreezeLink   Kind = "freeze_link"   // asked for by whoever typed the address

	AccountSuspended  Kind = "account_suspended"
	AccountFrozen     Kind = "account_frozen"
	AccountUnfrozen   Kind = "account_unfrozen"
	AccountClosed     Kind = "account_closed"
	ContactAdded      Kind = "contact_added"
	ContactVerified   Kind = "contact_verified"
	ContactRemoved    Kind = "contact_removed" // to the addresses that stay
	ContactGone       Kind = "contact_gone"    // to the address that went
	KeyAdded          Kind = "key_added"
	KeyJoined         Kind = "key_joined" // the passkey of a new device that came in with a code
	JoinRefused       Kind = "join_refused"
	JoinAdmitted      Kind = "join_admitted" // the yes itself: its passkey may be minutes away
	IntentNewAddress  Kind = "intent_new_address"
	IntentApproved    Kind = "intent_approved"
	IntentRefused     Kind = "intent_refused"
	KeyRemoved        Kind = "key_removed"
	KeyFell           Kind = "key_fell"
	KeyCounter        Kind = "key_counter"
	DeviceRemoved     Kind = "device_removed"
	NewDevice         Kind = "new_device"
	SessionsOthers    Kind = "sessions_ended_others"
	SessionsAll       Kind = "sessions_ended_all"
	SessionSuspect    Kind = "session_suspect"
	SessionLapsed     Kind = "session_lapsed"
	SessionContested  Kind = "session_contested"
	SessionReuse      Kind = "session_reuse"
	SessionSuperseded Kind = "session_superseded"
	SessionRemembered Kind = "session_remembered"
	CodesCreated      Kind = "codes_created"
	CodesReplaced     Kind = "codes_replaced"
	CodeUsed          Kind = "code_used"
	BotKeyAdded       Kind = "bot_key_added"
	BotKeyImported    Kind = "bot_key_imported"
	BotKeyWidened     Kind = "bot_key_widened"
	BotKeyUnlocked    Kind = "bot_key_unlocked"
	BotKeyInBrowser   Kind = "bot_key_in_browser"
	BotKeyClock       Kind = "bot_key_clock"
	BotKeyQuarantined Kind = "bot_key_quarantined"
	BotKeyReleased    Kind = "bot_key_released"
	BotKeyRevoked     Kind = "bot_key_revoked"
	SubMade           Kind = "sub_made"
	SubWidened        Kind = "sub_widened"
	SubFrozen         Kind = "sub_frozen"
	SubClosed         Kind = "sub_closed"
	BotKeyLeaked      Kind = "bot_key_leaked"
	BotKeyDormant     Kind = "bot_key_dormant"
	BotKeyAsleep      Kind = "bot_key_asleep"
	BotKeyWoken       Kind = "bot_key_woken"
	BotKeysEnded      Kind = "bot_keys_ended"
	BotKeyRotated     Kind = "bot_key_rotated"
	BotKeyRotatedSelf Kind = "bot_key_rotated_self"
	BotKeyOldKept     Kind = "bot_key_old_kept"
	BotKeyUndone      Kind = "bot_key_undone"
	BotKeyEndsSoon    Kind = "bot_key_ends_soon"
	BotKeyUpdate      Kind = "bot_key_update"
	AppGiven          Kind = "app_given"
	AppSuspect        Kind = "app_suspect"
	AppReuse          Kind = "app_reuse"
	AppCodeReplayed   Kind = "app_code_replayed"
)

// fact is one line of what is known.
type fact int

const (
	factDevice fact = iota
	factKey
	factAddress
	factWhen
	factWhere
	factUsedFrom // the same place under another label: where the copy was used
	factMade     // when and in which browser the account was made
	factHow
	factLeft
	factApp
	factMay // what an app may do, in verbs
	factPurpose
	factScopes // what an API key may do, by the names its owner chose from
	factFrom   // addresses that may use it
	factSub    // a sub-account, by its name
	factCould  // what it may do no more
	factRests  // rights that rest
	factSince  // since when nobody used it
	factOn     // when that has an effect
	factCount  // how many
	factBots   // API keys that ended with a device
	factAdded  // passkeys that were added from it and went too, by name
	factOld    // until when its old version signs
	factEnds   // when it ends
	factPartner
	factBecause
	factFault    // why a key counts for less
	factHeld     // until when withdrawals are held
	factNewcomer // a device that asked to be let in
	factSum      // of a withdrawal
	factTo       // where it goes, in full
	factNetwork
	factMemo // which of those who share the address
)

// sheet says what a mail is made of. Titles and texts are keys of package lang.
type sheet struct {
	title, lead string
	facts       []fact
	verify      string // label of the button that confirms the address
	freeze      bool   // "Not you? Freeze the account now." with its button
	freezeAsk   string // its question, when that is not "Not you?"
	freezeMain  bool   // the freeze button is what the mail is for
	aside       string // heading of a second paragraph, "" for none
	asideText   string
	after       string // one more sentence
	page        string // where to look closer; "" leaves that sentence out
	typed       bool   // strangers can cause it: counted, and its foot says so
}

var happened = []fact{factDevice, factWhen, factWhere}

var sheets = map[Kind]sheet{
	// Mails to addresses that are not confirmed say of the account only when it was
	// made and in what browser, so that a person with an account of their own can
	// tell a stranger's from it; and
	// mails that strangers cause repeat nothing the stranger wrote: otherwise a
	// sign-up form is a way to send one's own words with our signature under them.
	SignUpCheck: {
		title: "mail.signup_check.title", lead: "mail.signup_check.lead", facts: []fact{factMade},
		verify: "mail.signup_check.button", aside: "mail.check.not_you", asideText: "mail.signup_check.not_you", typed: true,
	},
	ContactCheck: {
		title: "mail.contact_check.title", lead: "mail.contact_check.lead", facts: []fact{factWhen, factMade},
		verify: "mail.contact_check.button", aside: "mail.check.not_you", asideText: "mail.contact_check.not_you", typed: true,
	},
	// Where the other person sits is not told: it may be an honest neighbour who
	// mistyped one letter. The button is there because these mails may be the only
	// sign the owner gets of somebody who is about to try more.
	TakenSignUp: {
		title: "mail.taken_signup.title", lead: "mail.taken_signup.lead", facts: []fact{factWhen},
		aside: "mail.taken.you", asideText: "mail.taken_signup.you", after: "mail.taken_signup.not_you", typed: true,
		freeze: true, freezeAsk: "mail.taken.freeze",
	},
	TakenContact: {
		title: "mail.taken_contact.title", lead: "mail.taken_contact.lead", facts: []fact{factWhen},
		aside: "mail.taken.you", asideText: "mail.taken_contact.you", after: "mail.taken_contact.not_you", typed: true,
		freeze: true, freezeAsk: "mail.taken.freeze",
	},
	FreezeLink: {
		title: "mail.freeze_link.title", lead: "mail.freeze_link.lead", facts: happened,
		freezeMain: true, after: "mail.freeze_link.not_you", typed: true,
	},

	AccountSuspended: {
		title: "mail.account_suspended.title", lead: "mail.account_suspended.lead", facts: []fact{factWhen, factWhere}, page: "nav.activity",
	},
	AccountFrozen: {
		title: "mail.account_frozen.title", lead: "mail.account_frozen.lead", facts: happened,
		aside: "mail.account_frozen.do", asideText: "mail.account_frozen.how",
	},
	AccountUnfrozen: {
		title: "mail.account_unfrozen.title", lead: "mail.account_unfrozen.lead", facts: []fact{factKey, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.activity",
	},
	AccountClosed: {
		title: "mail.account_closed.title", lead: "mail.account_closed.lead", facts: []fact{factWhen, factWhere},
	},
	ContactAdded: {
		title: "mail.contact_added.title", lead: "mail.contact_added.lead", facts: []fact{factAddress, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.activity",
	},
	ContactVerified: {
		title: "mail.contact_verified.title", lead: "mail.contact_verified.lead", facts: []fact{factAddress, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.activity",
	},
	ContactRemoved: {
		title: "mail.contact_removed.title", lead: "mail.contact_removed.lead", facts: []fact{factAddress, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.activity",
	},
	ContactGone: {
		title: "mail.contact_gone.title", lead: "mail.contact_gone.lead", facts: []fact{factAddress, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.activity",
	},
	KeyAdded: {
		title: "mail.key_added.title", lead: "mail.key_added.lead", facts: []fact{factKey, factDevice, factWhen, factWhere, factHeld},
		freeze: true, page: "nav.passkeys",
	},
	KeyJoined: {
		title: "mail.key_joined.title", lead: "mail.key_joined.lead", facts: []fact{factKey, factDevice, factWhen, factWhere, factHeld},
		aside: "mail.key_joined.do", asideText: "mail.key_joined.how", freeze: true, page: "nav.passkeys",
	},
	// At the yes, and not only when the passkey is there: who was talked into it has minutes.
	JoinAdmitted: {
		title: "mail.join_admitted.title", lead: "mail.join_admitted.lead", facts: []fact{factNewcomer, factDevice, factWhen, factWhere},
		aside: "mail.join_admitted.do", asideText: "mail.join_admitted.how", freeze: true, page: "nav.activity",
	},
	// Where the other device was is not told as "where": that line is where the no came from.
	JoinRefused: {
		title: "mail.join_refused.title", lead: "mail.join_refused.lead", facts: []fact{factNewcomer, factWhen},
		aside: "mail.join_refused.do", asideText: "mail.join_refused.how", freeze: true, page: "nav.activity",
	},
	// No link leads to an approval, here or anywhere: a mail is no place to decide from.
	IntentNewAddress: {
		title: "mail.intent_new_address.title", lead: "mail.intent_new_address.lead", facts: []fact{factSum, factNetwork, factTo, factMemo, factWhen},
		aside: "mail.intent_new_address.do", asideText: "mail.intent_new_address.how", freeze: true, page: "nav.activity",
	},
	IntentApproved: {
		title: "mail.intent_approved.title", lead: "mail.intent_approved.lead", facts: []fact{factSum, factNetwork, factTo, factMemo, factKey, factDevice, factWhen, factWhere},
		aside: "mail.intent_approved.do", asideText: "mail.intent_approved.how", freeze: true, page: "nav.activity",
	},
	IntentRefused: {
		title: "mail.intent_refused.title", lead: "mail.intent_refused.lead", facts: []fact{factSum, factNetwork, factTo, factMemo, factDevice, factWhen, factWhere},
		aside: "mail.intent_refused.do", asideText: "mail.intent_refused.how", freeze: true, page: "nav.activity",
	},
	KeyRemoved: {
		title: "mail.key_removed.title", lead: "mail.key_removed.lead", facts: []fact{factKey, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.passkeys",
	},
	KeyFell: {
		title: "mail.key_fell.title", lead: "mail.key_fell.lead", facts: []fact{factKey, factFault, factWhen},
		page: "nav.passkeys",
	},
	KeyCounter: {
		title: "mail.key_counter.title", lead: "mail.key_counter.lead", facts: []fact{factKey, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.passkeys",
	},
	DeviceRemoved: {
		title: "mail.device_removed.title", lead: "mail.device_removed.lead", facts: []fact{factDevice, factWhen, factWhere, factAdded, factBots},
		freeze: true, page: "nav.devices",
	},
	NewDevice: {
		title: "mail.new_device.title", lead: "mail.new_device.lead", facts: []fact{factDevice, factWhen, factWhere, factHow},
		freeze: true, page: "nav.devices",
	},
	SessionsOthers: {
		title: "mail.sessions_ended_others.title", lead: "mail.sessions_ended_others.lead", facts: happened,
		freeze: true, page: "nav.devices",
	},
	SessionsAll: {
		title: "mail.sessions_ended_all.title", lead: "mail.sessions_ended_all.lead", facts: happened,
		freeze: true, page: "nav.devices",
	},
	SessionSuspect: {
		title: "mail.session_suspect.title", lead: "mail.session_suspect.lead", facts: []fact{factDevice, factWhen, factUsedFrom},
		aside: "mail.session_suspect.do", asideText: "mail.session_suspect.how", freeze: true, page: "nav.devices",
	},
	SessionLapsed: {
		title: "mail.session_lapsed.title", lead: "mail.session_lapsed.lead", facts: []fact{factDevice, factWhen, factUsedFrom},
		aside: "mail.session_lapsed.do", asideText: "mail.session_lapsed.how", freeze: true, page: "nav.devices",
	},
	SessionContested: {
		title: "mail.session_contested.title", lead: "mail.session_contested.lead", facts: []fact{factDevice, factWhen, factUsedFrom},
		aside: "mail.session_contested.do", asideText: "mail.session_contested.how", freeze: true, page: "nav.devices",
	},
	SessionReuse: {
		title: "mail.session_reuse.title", lead: "mail.session_reuse.lead", facts: []fact{factDevice, factWhen, factUsedFrom},
		aside: "mail.session_reuse.do", asideText: "mail.session_reuse.how", freeze: true, page: "nav.devices",
	},
	SessionSuperseded: {
		title: "mail.session_superseded.title", lead: "mail.session_superseded.lead", facts: []fact{factDevice, factWhen, factUsedFrom},
		freeze: true, page: "nav.devices",
	},
	SessionRemembered: {
		title: "mail.session_remembered.title", lead: "mail.session_remembered.lead", facts: happened,
		freeze: true, page: "nav.devices",
	},
	CodesCreated: {
		title: "mail.codes_created.title", lead: "mail.codes_created.lead", facts: happened,
		freeze: true, page: "nav.codes",
	},
	CodesReplaced: {
		title: "mail.codes_replaced.title", lead: "mail.codes_replaced.lead", facts: happened,
		freeze: true, page: "nav.codes",
	},
	CodeUsed: {
		title: "mail.code_used.title", lead: "mail.code_used.lead", facts: []fact{factLeft, factDevice, factWhen, factWhere, factHow},
		freeze: true, page: "nav.codes",
	},
	BotKeyAdded: {
		title: "mail.bot_key_added.title", lead: "mail.bot_key_added.lead", facts: []fact{factPurpose, factScopes, factFrom, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyImported: {
		title: "mail.bot_key_imported.title", lead: "mail.bot_key_imported.lead", facts: []fact{factPurpose, factScopes, factFrom, factWhen},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyWidened: {
		title: "mail.bot_key_widened.title", lead: "mail.bot_key_widened.lead", facts: []fact{factPurpose, factScopes, factFrom, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyUnlocked: {
		title: "mail.bot_key_unlocked.title", lead: "mail.bot_key_unlocked.lead", facts: []fact{factPurpose, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyInBrowser: {
		title: "mail.bot_key_in_browser.title", lead: "mail.bot_key_in_browser.lead", facts: []fact{factPurpose, factWhen, factUsedFrom},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyClock: {
		title: "mail.bot_key_clock.title", lead: "mail.bot_key_clock.lead", facts: []fact{factPurpose, factWhen, factUsedFrom},
		page: "nav.botkeys",
	},
	BotKeyQuarantined: {
		title: "mail.bot_key_quarantined.title", lead: "mail.bot_key_quarantined.lead", facts: []fact{factPurpose, factWhen, factUsedFrom},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyReleased: {
		title: "mail.bot_key_released.title", lead: "mail.bot_key_released.lead", facts: []fact{factPurpose, factScopes, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyRevoked: {
		title: "mail.bot_key_revoked.title", lead: "mail.bot_key_revoked.lead", facts: []fact{factPurpose, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	SubMade: {
		title: "mail.sub_made.title", lead: "mail.sub_made.lead", facts: []fact{factSub, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	SubWidened: {
		title: "mail.sub_widened.title", lead: "mail.sub_widened.lead", facts: []fact{factSub, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	SubFrozen: {
		title: "mail.sub_frozen.title", lead: "mail.sub_frozen.lead", facts: []fact{factSub, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	SubClosed: {
		title: "mail.sub_closed.title", lead: "mail.sub_closed.lead", facts: []fact{factSub, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	// Where a secret was found is not in the mail: whoever reports it could put an address
	// of theirs under our name. The page of the key has it.
	BotKeyLeaked: {
		title: "mail.bot_key_leaked.title", lead: "mail.bot_key_leaked.lead", facts: []fact{factPurpose, factCould, factWhen},
		aside: "mail.bot_key_leaked.do", asideText: "mail.bot_key_leaked.how", freeze: true, page: "nav.botkeys",
	},
	BotKeyDormant: {
		title: "mail.bot_key_dormant.title", lead: "mail.bot_key_dormant.lead", facts: []fact{factPurpose, factRests, factSince, factOn}, page: "nav.botkeys",
	},
	BotKeyAsleep: {
		title: "mail.bot_key_asleep.title", lead: "mail.bot_key_asleep.lead", facts: []fact{factPurpose, factRests, factSince}, page: "nav.botkeys",
	},
	BotKeyWoken: {
		title: "mail.bot_key_woken.title", lead: "mail.bot_key_woken.lead", facts: []fact{factPurpose, factScopes, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeysEnded: {
		title: "mail.bot_keys_ended.title", lead: "mail.bot_keys_ended.lead", facts: []fact{factCount, factWhen, factWhere}, page: "nav.botkeys",
	},
	BotKeyRotated: {
		title: "mail.bot_key_rotated.title", lead: "mail.bot_key_rotated.lead", facts: []fact{factPurpose, factOld, factDevice, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	// Where the bot calls from its owner knows better than any device.
	BotKeyRotatedSelf: {
		title: "mail.bot_key_rotated_self.title", lead: "mail.bot_key_rotated_self.lead", facts: []fact{factPurpose, factOld, factWhen, factUsedFrom},
		aside: "mail.bot_key_rotated_self.do", asideText: "mail.bot_key_rotated_self.how", freeze: true, page: "nav.botkeys",
	},
	BotKeyOldKept: {
		title: "mail.bot_key_old_kept.title", lead: "mail.bot_key_old_kept.lead", facts: []fact{factPurpose, factOld, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyUndone: {
		title: "mail.bot_key_undone.title", lead: "mail.bot_key_undone.lead", facts: []fact{factPurpose, factWhen, factWhere},
		freeze: true, page: "nav.botkeys",
	},
	BotKeyEndsSoon: {
		title: "mail.bot_key_ends_soon.title", lead: "mail.bot_key_ends_soon.lead", facts: []fact{factPurpose, factEnds},
		after: "mail.bot_key_ends_soon.after", page: "nav.botkeys",
	},
	BotKeyUpdate: {
		title: "mail.bot_key_update.title", lead: "mail.bot_key_update.lead", facts: []fact{factPurpose, factPartner, factBecause, factWhen},
		after: "mail.bot_key_update.after", page: "nav.botkeys",
	},
	// Not from where: an app's own server fetched its tokens.
	AppGiven: {
		title: "mail.app_given.title", lead: "mail.app_given.lead", facts: []fact{factApp, factMay, factDevice, factWhen},
		freeze: true, page: "nav.apps",
	},
	AppSuspect: {
		title: "mail.app_suspect.title", lead: "mail.app_suspect.lead", facts: []fact{factApp, factWhen, factUsedFrom},
		aside: "mail.app.do", asideText: "mail.app_suspect.how", freeze: true, page: "nav.apps",
	},
	AppReuse: {
		title: "mail.app_reuse.title", lead: "mail.app_reuse.lead", facts: []fact{factApp, factWhen, factUsedFrom},
		aside: "mail.app.do", asideText: "mail.app.again", freeze: true, page: "nav.apps",
	},
	AppCodeReplayed: {
		title: "mail.app_code_replayed.title", lead: "mail.app_code_replayed.lead", facts: []fact{factApp, factWhen, factUsedFrom},
		aside: "mail.app.do", asideText: "mail.app.again", freeze: true, page: "nav.apps",
	},
}
