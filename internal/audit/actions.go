package audit

import "slices"

// Payload keys have one meaning everywhere, so that a sentence can rely on them:
//
//	agent       browser and system in words: "Chrome, Windows 11"
//	device      the name its owner gave a device
//	key         the name of a passkey; old is the one before a rename
//	mail        a mail address
//	method      how somebody signed in: passkey | code
//	new_device  "yes" on a device not seen before
//	newcomer    browser and system, in words, of a device that asks to be let in; newcomer_addr is its address
//	joined      "yes" when a key came in by the code of a new device; strange when its device was new to the account
//	held        until when withdrawals are held because of it, RFC 3339
//	signal      what was odd about a sign-in: counter_regressed
//	why         why a session ended: sign_out (on itself) | owner (from elsewhere) | not_me | exchange | operator
//	n, left, days  numbers
//	ends        when something is over: RFC 3339, or "at once"
//	partner, what, because  a partner of the exchange, the version it announced, and why
//	reason      a word of the refusal table, or what an operator wrote
//	by          owner or app, when it was that one
//	client      the name of a service of the exchange, or of an app
//	scope       what an app may do, RFC 6749 §3.3
//	via         who told of a leaked key: github | report | operator
//	found       where it was found, as far as it is kept
//	since, on   days: when a key was used last, when its rights begin to rest
//	party       own: an app of the exchange's; third: any other
//	operator    the name of an operator
//	roles       the roles an operator has from now on
//	sub         the name of a sub-account
//	skipped     why a browser said that it did not show its device's key: quota_exceeded | unreachable | server_error
//	sum, to, network  of a withdrawal: amount and asset, the address, its network
//	first       "yes" when an address was asked for the first time; held is then the end of its own wait
//	rule        why an approval was enough: hardware | second_device | small
//	instead     "lapsed" when a sign-in took the place of a session whose device key was not shown; "lapsed_apps" when apps ended with it
//	apps        how many
//	kind, object  what a request of operators asks for, and for which object
//
// Korean sentences end in 해요 style, and a name stands in quotes before a noun
// of ours, so that no particle hangs on a word we do not know.

// OCSF classes (schema.ocsf.io).
const (
	ocsfAccountChange  = 3001
	ocsfAuthentication = 3002
	ocsfEntity         = 3004
	ocsfFinding        = 2004
	ocsfOther          = 99
)

var actions = map[Action]Spec{
	"account.created": {
		Notice: Low, Mail: "welcome", Shown: true, OCSF: OCSF{ocsfAccountChange, 1},
		say:   text{"You created this account on {agent}.", "“{agent}” 기기에서 이 계정을 만들었어요."},
		plain: text{"This account was created.", "이 계정이 만들어졌어요."},
	},
	"account.updated": {
		Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		plain: text{"Details of this account were changed.", "계정 정보가 변경됐어요."},
	},
	"account.suspended": {
		Notice: Critical, Mail: "account_suspended", Shown: true, OCSF: OCSF{ocsfAccountChange, 5},
		say:   text{"“{client}” limited what this account can do.", "“{client}” 서비스가 이 계정에서 할 수 있는 일을 제한했어요."},
		plain: text{"What this account can do was limited.", "이 계정에서 할 수 있는 일이 제한됐어요."},
	},
	"account.frozen": {
		Notice: Critical, Mail: "account_frozen", Shown: true, OCSF: OCSF{ocsfAccountChange, 9},
		cases: []variant{{"how", "link", text{"This account was frozen with the link in one of our mails. Withdrawals and new sign-ins are stopped.", "저희가 보낸 메일의 링크로 계정을 동결했어요. 출금과 새 로그인이 멈췄어요."}},
			{"by", "staff", text{"Our staff froze this account. Withdrawals and new sign-ins are stopped.", "저희 담당자가 이 계정을 동결했어요. 출금과 새 로그인이 멈췄어요."}},
			{"by", "exchange", text{"The exchange froze this account. Withdrawals and new sign-ins are stopped.", "거래소가 이 계정을 동결했어요. 출금과 새 로그인이 멈췄어요."}},
			{"by", "system", text{"Our own checks froze this account. Withdrawals and new sign-ins are stopped.", "자동 점검으로 이 계정을 동결했어요. 출금과 새 로그인이 멈췄어요."}},
			{"by", "owner", text{"You froze this account. Withdrawals and new sign-ins are stopped.", "계정을 동결했어요. 출금과 새 로그인이 멈췄어요."}}},
		plain: text{"This account was frozen. Withdrawals and new sign-ins are stopped.", "계정이 동결됐어요. 출금과 새 로그인이 멈췄어요."},
	},
	"account.unfrozen": {
		Notice: Critical, Mail: "account_unfrozen", Shown: true, OCSF: OCSF{ocsfAccountChange, 12},
		say:   text{"The freeze of this account was lifted with the passkey “{key}”.", "“{key}” 패스키로 계정 동결을 풀었어요."},
		plain: text{"The freeze of this account was lifted.", "계정 동결이 풀렸어요."},
	},
	"account.closed": {
		Notice: Critical, Mail: "account_closed", Shown: true, OCSF: OCSF{ocsfAccountChange, 5},
		say:   text{"“{client}” closed this account.", "“{client}” 서비스가 이 계정을 닫았어요."},
		plain: text{"This account was closed.", "계정이 닫혔어요."},
	},
	"account.erased": {
		// The event that says the personal data is gone must not bring some of it back.
		Shown: true, Impersonal: true, OCSF: OCSF{ocsfAccountChange, 6},
		plain: text{"The personal data of this account was erased.", "이 계정의 개인 정보가 삭제됐어요."},
	},
	"contact.added": {
		Notice: Low, Mail: "contact_added", Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"You added the mail address “{mail}”. It counts once it is confirmed.", "“{mail}” 메일 주소를 추가했어요. 확인한 뒤부터 사용할 수 있어요."},
		plain: text{"A mail address was added.", "메일 주소가 추가됐어요."},
	},
	"contact.verified": {
		Notice: Low, Mail: "contact_verified", Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"The mail address “{mail}” was confirmed.", "“{mail}” 메일 주소를 확인했어요."},
		plain: text{"A mail address was confirmed.", "메일 주소가 확인됐어요."},
	},
	"contact.removed": {
		Notice: Critical, Mail: "contact_removed", Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"You removed the mail address “{mail}”.", "“{mail}” 메일 주소를 삭제했어요."},
		plain: text{"A mail address was removed.", "메일 주소가 삭제됐어요."},
	},
	"key.added": {
		Notice: Critical, Mail: "key_added", Shown: true, OCSF: OCSF{ocsfAccountChange, 10},
		cases: []variant{
			{"joined", "yes", text{"A new device, {agent}, came in with a code that you typed and added the passkey “{key}”. Withdrawals pause for 24 hours.", "입력하신 코드로 “{agent}” 기기가 새로 들어와 “{key}” 패스키를 추가했어요. 24시간 동안 출금이 멈춰요."}},
			{"strange", "yes", text{"You added the passkey “{key}” on a device that was new here. Withdrawals pause for 24 hours.", "처음 쓰는 기기에서 “{key}” 패스키를 추가했어요. 24시간 동안 출금이 멈춰요."}},
		},
		say:   text{"You added the passkey “{key}”.", "“{key}” 패스키를 추가했어요."},
		plain: text{"A passkey was added.", "패스키가 추가됐어요."},
	},
	"key.renamed": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You renamed the passkey “{old}” to “{key}”.", "“{old}” 패스키에 “{key}” 이름을 새로 붙였어요."},
		plain: text{"A passkey was renamed.", "패스키 이름이 변경됐어요."},
	},
	"key.removed": {
		Notice: Critical, Mail: "key_removed", Shown: true, OCSF: OCSF{ocsfAccountChange, 11},
		say:   text{"You removed the passkey “{key}”.", "“{key}” 패스키를 삭제했어요."},
		plain: text{"A passkey was removed.", "패스키가 삭제됐어요."},
	},
	"key.fell": {
		Notice: Critical, Mail: "key_fell", Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"The key “{key}” counts for less than before. What was signed in with it was signed out.", "“{key}” 키의 신뢰 등급이 낮아졌어요. 이 키로 한 로그인은 모두 로그아웃됐어요."},
		plain: text{"A key counts for less than before. What was signed in with it was signed out.", "키의 신뢰 등급이 낮아졌어요. 그 키로 한 로그인은 모두 로그아웃됐어요."},
	},
	"key.judged": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"What is known about the key “{key}” was looked at again.", "“{key}” 키에 대해 알려진 내용을 다시 확인했어요."},
		plain: text{"What is known about a key was looked at again.", "키에 대해 알려진 내용을 다시 확인했어요."},
	},
	"device.join_asked": {
		Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"You typed the code of a new device: {newcomer}.", "“{newcomer}” 기기에 보이는 코드를 입력했어요."},
		plain: text{"The code of a new device was typed.", "새 기기의 코드가 입력됐어요."},
	},
	"device.join_admitted": {
		Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"You let a new device in: {newcomer}. It may add one passkey within minutes.", "“{newcomer}” 기기를 새로 허용했어요. 몇 분 안에 패스키를 하나 추가할 수 있어요."},
		plain: text{"A new device was let in.", "새 기기가 허용됐어요."},
	},
	"device.join_refused": {
		Notice: Critical, Mail: "join_refused", Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"You refused a new device: {newcomer}. It came no further.", "“{newcomer}” 기기의 요청을 거절했어요. 그 기기는 들어오지 못했어요."},
		plain: text{"A new device was refused.", "새 기기가 거절됐어요."},
	},
	"intent.created": {
		Notice: Critical, Mail: "intent_new_address", Shown: true, OCSF: OCSF{ocsfEntity, 1},
		cases: []variant{{"first", "yes", text{"“{client}” asks for your approval: {sum} to an address that is new here, {to}.", "“{client}” 서비스가 처음 쓰는 “{to}” 주소로 보내는 “{sum}” 출금의 승인을 요청했어요."}}},
		say:   text{"“{client}” asks for your approval: {sum} to {to}.", "“{client}” 서비스가 “{to}” 주소로 보내는 “{sum}” 출금의 승인을 요청했어요."},
		plain: text{"A withdrawal waits for an approval.", "출금 승인이 요청됐어요."},
	},
	"intent.approved": {
		Notice: Critical, Mail: "intent_approved", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You approved {sum} to {to} with “{key}” on {agent}.", "“{agent}” 기기에서 “{key}” 키로 “{to}” 주소로 보내는 “{sum}” 출금을 승인했어요."},
		plain: text{"A withdrawal was approved.", "출금이 승인됐어요."},
	},
	"intent.refused": {
		Notice: Critical, Mail: "intent_refused", Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"You refused {sum} to {to}. Nothing was sent.", "“{to}” 주소로 보내는 “{sum}” 출금을 거절했어요. 보낸 것은 없어요."},
		plain: text{"A withdrawal was refused.", "출금이 거절됐어요."},
	},
	"intent.expired": {
		Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"Nobody approved {sum} to {to} in time. Nothing was sent.", "“{to}” 주소로 보내는 “{sum}” 출금이 시간 안에 승인되지 않았어요. 보낸 것은 없어요."},
		plain: text{"A withdrawal was not approved in time.", "출금이 시간 안에 승인되지 않았어요."},
	},
	"device.named": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You named a device “{device}”.", "기기에 “{device}” 이름을 붙였어요."},
		plain: text{"A device was named.", "기기 이름이 변경됐어요."},
	},
	"device.removed": {
		Notice: Critical, Mail: "device_removed", Shown: true, OCSF: OCSF{ocsfEntity, 4},
		cases: []variant{{"retired", "yes", text{"You changed to a new device and retired “{device}”. Its sessions and its own passkeys no longer work.", "새 기기로 바꾸고 “{device}” 기기를 정리했어요. 그 기기의 로그인과 그 기기에만 있던 패스키는 더 이상 쓸 수 없어요."}},
			{"bots", "yes", text{"You removed the device “{device}”. Its sessions and passkeys no longer work, nor do the API keys made from it: {apikeys}.", "“{device}” 기기를 삭제했어요. 이 기기의 로그인과 패스키, 이 기기에서 만든 API 키는 더 이상 쓸 수 없어요. 종료된 API 키: {apikeys}개"}}},
		say:   text{"You removed the device “{device}”. Its sessions and passkeys no longer work.", "“{device}” 기기를 삭제했어요. 이 기기의 로그인과 패스키는 더 이상 쓸 수 없어요."},
		plain: text{"A device was removed. Its sessions and passkeys no longer work.", "기기가 삭제됐어요. 이 기기의 로그인과 패스키는 더 이상 쓸 수 없어요."},
	},
	"session.started": {
		// notify raises this to a mail only when the device is new.
		Notice: Low, Mail: "new_device", Shown: true, OCSF: OCSF{ocsfAuthentication, 1},
		say: text{"You signed in on {agent}.", "“{agent}” 기기에서 로그인했어요."},
		cases: []variant{
			{"method", "code", text{"Someone signed in with a recovery code on {agent}.", "“{agent}” 기기에서 복구 코드로 로그인했어요."}},
			{"signal", "counter_regressed", text{"You signed in on {agent}. The passkey “{key}” counted backwards: it may have been copied.", "“{agent}” 기기에서 로그인했어요. “{key}” 패스키의 사용 횟수가 거꾸로 갔어요. 복사됐을 수 있어요."}},
			{"new_device", "yes", text{"You signed in on a device we had not seen before: {agent}.", "처음 보는 “{agent}” 기기에서 로그인했어요."}},
			{"instead", "lapsed_apps", text{"{agent} had not shown its device’s own key. You confirmed with the passkey “{key}”: a new session began, and the one before was ended with the apps you had let in during it: {apps}.", "“{agent}” 브라우저가 기기의 키를 보여 주지 않아 “{key}” 패스키로 확인했어요. 새 로그인을 시작하고, 이전 로그인과 그때 연결한 앱을 끝냈어요. 끊은 앱: {apps}개"}},
			{"instead", "lapsed", text{"{agent} had not shown its device’s own key. You confirmed with the passkey “{key}”: a new session began, and the one before was ended.", "“{agent}” 브라우저가 기기의 키를 보여 주지 않아 “{key}” 패스키로 확인했어요. 새 로그인을 시작하고 이전 로그인은 끝냈어요."}},
		},
		plain: text{"Someone signed in.", "로그인했어요."},
	},
	"session.ended": {
		Shown: true, OCSF: OCSF{ocsfAuthentication, 2},
		say: text{"The session on {agent} was ended.", "“{agent}” 기기의 로그인을 끝냈어요."},
		cases: []variant{
			{"why", "sign_out", text{"You signed out on {agent}.", "“{agent}” 기기에서 로그아웃했어요."}},
			{"why", "owner", text{"You ended the session on {agent} from another device.", "다른 기기에서 “{agent}” 기기의 로그인을 끝냈어요."}},
			{"why", "not_me", text{"You said “this was not me”: the session on {agent} was ended.", "‘내가 아니에요’를 선택해서 “{agent}” 기기의 로그인을 끝냈어요."}},
			{"why", "exchange", text{"The exchange ended the session on {agent}.", "거래소에서 “{agent}” 기기의 로그인을 끝냈어요."}},
			{"why", "operator", text{"Our staff ended the session on {agent}.", "담당 직원이 “{agent}” 기기의 로그인을 끝냈어요."}},
		},
		plain: text{"A session was ended.", "로그인 하나가 끝났어요."},
	},
	"sessions.ended_others": {
		Notice: Low, Mail: "sessions_ended", Shown: true, OCSF: OCSF{ocsfAuthentication, 2},
		say:   text{"You ended all other sessions: {n}.", "다른 기기의 로그인을 모두 끝냈어요: {n}개."},
		plain: text{"All other sessions were ended.", "다른 기기의 로그인이 모두 끝났어요."},
	},
	"sessions.ended_all": {
		Notice: Critical, Mail: "sessions_ended", Shown: true, OCSF: OCSF{ocsfAuthentication, 2},
		say:   text{"All sessions were ended: {n}.", "모든 기기의 로그인을 끝냈어요: {n}개."},
		plain: text{"All sessions were ended.", "모든 기기의 로그인이 끝났어요."},
	},
	"session.refreshed": {
		OCSF:  OCSF{ocsfAuthentication, 5},
		plain: text{"A session was renewed.", "로그인이 갱신됐어요."},
	},
	"session.suspect": {
		Notice: Critical, Mail: "session_suspect", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"A copy of the session on {agent} was tried without its device and refused.", "“{agent}” 기기의 로그인 정보가 다른 곳에서 쓰이려다 거부됐어요."},
		plain: text{"A copied session was tried without its device and refused.", "복사된 로그인 정보가 다른 곳에서 쓰이려다 거부됐어요."},
	},
	"session.bound": {
		OCSF:  OCSF{ocsfAuthentication, ocsfOther},
		say:   text{"The browser of {agent} bound this session to a key of the device.", "“{agent}” 브라우저가 이 로그인을 기기의 키에 묶었어요."},
		plain: text{"A browser bound a session to a key of the device.", "브라우저가 로그인을 기기의 키에 묶었어요."},
	},
	"session.lapsed": {
		Notice: Critical, Mail: "session_lapsed", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"The session on {agent} was used without its device’s own key and refused until a passkey confirms it.", "“{agent}” 기기의 로그인이 기기의 키 없이 쓰여서, 패스키로 확인할 때까지 거부했어요."},
		plain: text{"A session was used without its device’s own key and refused.", "기기의 키 없이 쓰인 로그인을 거부했어요."},
	},
	"session.contested": {
		Notice: Critical, Mail: "session_contested", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"Two browsers each had a key for the session that began on {agent}. We ended it: one of them had a copy.", "“{agent}” 기기에서 시작한 로그인에 두 브라우저가 서로 다른 키를 내밀었어요. 한쪽은 복사본이라서 그 로그인을 끝냈어요."},
		plain: text{"Two browsers each had a key for one session. It was ended.", "한 로그인에 두 브라우저가 서로 다른 키를 내밀어서 끝냈어요."},
	},
	"session.reuse": {
		Notice: Critical, Mail: "session_reuse", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"A spent token of the session on {agent} was used again. That session was ended.", "“{agent}” 기기의 이미 사용된 로그인 정보가 다시 쓰여서 그 로그인을 끝냈어요."},
		plain: text{"A spent token was used again. That session was ended.", "이미 사용된 로그인 정보가 다시 쓰여서 그 로그인을 끝냈어요."},
	},
	"session.vouched": {
		Shown: true, OCSF: OCSF{ocsfAuthentication, ocsfOther},
		say:   text{"You said that the session on {agent} is yours.", "“{agent}” 기기의 로그인이 내 것이라고 확인했어요."},
		plain: text{"You said that a session is yours.", "로그인 하나를 내 것이라고 확인했어요."},
	},
	"session.superseded_late": {
		Notice: Low, Mail: "session_superseded", Shown: true, OCSF: OCSF{ocsfAuthentication, 2},
		say:   text{"The session on {agent} came back with an old state, as after a restored backup, and was ended. Nothing else was touched.", "“{agent}” 기기가 백업 복원 후처럼 예전 상태로 돌아와서 그 로그인만 끝냈어요."},
		plain: text{"A session came back with an old state and was ended. Nothing else was touched.", "예전 상태로 돌아온 로그인 하나를 끝냈어요."},
	},
	"session.stepped_up": {
		Shown: true, OCSF: OCSF{ocsfAuthentication, ocsfOther},
		say:   text{"You confirmed with the passkey “{key}” that it is you.", "“{key}” 패스키로 본인임을 확인했어요."},
		plain: text{"You confirmed with a passkey that it is you.", "패스키로 본인임을 확인했어요."},
	},
	"session.remembered": {
		Notice: Low, Mail: "session_remembered", Shown: true, OCSF: OCSF{ocsfAuthentication, ocsfOther},
		say:   text{"You let {agent} stay signed in.", "“{agent}” 기기에서 로그인을 유지하기로 했어요."},
		plain: text{"A device was allowed to stay signed in.", "기기 하나에서 로그인을 유지하기로 했어요."},
	},
	"codes.created": {
		Notice: Critical, Mail: "codes_created", Shown: true, OCSF: OCSF{ocsfAccountChange, 10},
		say: text{"You made recovery codes.", "복구 코드를 만들었어요."},
		cases: []variant{{"replaced", "yes", text{
			"You made new recovery codes. The old ones no longer work.", "새 복구 코드를 만들었어요. 이전 코드는 더 이상 쓸 수 없어요."}}},
		plain: text{"Recovery codes were made.", "복구 코드가 만들어졌어요."},
	},
	"codes.rehearsed": {
		Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"You checked that you have your recovery codes.", "복구 코드를 저장했는지 확인했어요."},
		plain: text{"Recovery codes were checked.", "복구 코드를 확인했어요."},
	},
	"codes.used": {
		Notice: Critical, Mail: "code_used", Shown: true, OCSF: OCSF{ocsfAuthentication, 1},
		say: text{"A recovery code was used to sign in on {agent}. Codes left: {left}.", "“{agent}” 기기에서 복구 코드로 로그인했어요. 남은 코드: {left}개."},
		cases: []variant{{"new_device", "yes", text{
			"A recovery code was used on a device we had not seen before: {agent}. Codes left: {left}.", "처음 보는 “{agent}” 기기에서 복구 코드로 로그인했어요. 남은 코드: {left}개."}}},
		plain: text{"A recovery code was used to sign in.", "복구 코드로 로그인했어요."},
	},
	"signal.counter_regressed": {
		Notice: Low, Mail: "key_counter", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"The passkey “{key}” counted backwards. It may have been copied.", "“{key}” 패스키의 사용 횟수가 거꾸로 갔어요. 복사됐을 수 있어요."},
		plain: text{"A passkey counted backwards. It may have been copied.", "패스키의 사용 횟수가 거꾸로 갔어요. 복사됐을 수 있어요."},
	},
	"refusal.counted": {
		OCSF:  OCSF{ocsfAuthentication, ocsfOther},
		say:   text{"Refused without proof: {n} times ({reason}).", "증명 없이 거부된 시도: {n}번 ({reason})."},
		plain: text{"Tries without proof were refused.", "증명 없는 시도가 거부됐어요."},
	},
	"operator.invited": {
		OCSF:  OCSF{ocsfAccountChange, 1},
		say:   text{"“{operator}” was invited as an operator ({roles}). Reason: {reason}.", "“{operator}” 님을 운영자({roles}) 역할에 초대했어요. 이유: {reason}."},
		plain: text{"An operator was invited.", "운영자를 초대했어요."},
	},
	"operator.joined": {
		OCSF:  OCSF{ocsfAccountChange, 10},
		say:   text{"“{operator}” joined as an operator ({roles}).", "“{operator}” 님이 운영자({roles}) 역할을 시작했어요."},
		plain: text{"An operator joined.", "운영자가 합류했어요."},
	},
	"operator.signed_in": {
		OCSF: OCSF{ocsfAuthentication, 1},
		say:  text{"The operator “{operator}” signed in.", "“{operator}” 운영자 계정으로 로그인했어요."},
		cases: []variant{{"signal", "counter_regressed", text{
			"The operator “{operator}” signed in. The passkey counted backwards: it may have been copied.", "“{operator}” 운영자 계정으로 로그인했어요. 패스키의 사용 횟수가 거꾸로 갔어요. 복사됐을 수 있어요."}}},
		plain: text{"An operator signed in.", "운영자가 로그인했어요."},
	},
	"operator.signed_out": {
		OCSF:  OCSF{ocsfAuthentication, 2},
		say:   text{"The operator “{operator}” signed out.", "“{operator}” 운영자 계정에서 로그아웃했어요."},
		plain: text{"An operator signed out.", "운영자가 로그아웃했어요."},
	},
	"operator.roles_changed": {
		OCSF:  OCSF{ocsfAccountChange, 7},
		say:   text{"The operator “{operator}” has other roles: {roles}. Reason: {reason}.", "“{operator}” 운영자의 역할을 바꿨어요: {roles}. 이유: {reason}."},
		plain: text{"The roles of an operator were changed.", "운영자의 역할을 바꿨어요."},
	},
	"operator.disabled": {
		OCSF:  OCSF{ocsfAccountChange, 5},
		say:   text{"The operator “{operator}” was disabled. Reason: {reason}.", "“{operator}” 운영자를 비활성화했어요. 이유: {reason}."},
		plain: text{"An operator was disabled.", "운영자를 비활성화했어요."},
	},
	"operator.key_added": {
		OCSF:  OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"The operator “{operator}” added a passkey. Reason: {reason}.", "“{operator}” 운영자가 패스키를 추가했어요. 이유: {reason}."},
		plain: text{"An operator added a passkey.", "운영자가 패스키를 추가했어요."},
	},
	"operator.key_removed": {
		OCSF:  OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"The operator “{operator}” removed a passkey, and their other sessions ended. Reason: {reason}.", "“{operator}” 운영자가 패스키를 삭제했고 다른 로그인도 모두 끝났어요. 이유: {reason}."},
		plain: text{"An operator removed a passkey, and their other sessions ended.", "운영자가 패스키를 삭제했고 다른 로그인도 모두 끝났어요."},
	},
	"operator.session_ended": {
		OCSF:  OCSF{ocsfAuthentication, 2},
		say:   text{"The operator “{operator}” ended one of their sessions.", "“{operator}” 운영자가 자신의 로그인 하나를 끝냈어요."},
		plain: text{"An operator ended one of their sessions.", "운영자가 자신의 로그인 하나를 끝냈어요."},
	},
	"staff.request_made": {
		OCSF:  OCSF{ocsfEntity, ocsfOther},
		say:   text{"An operator asked for “{kind}” on “{object}”. Reason: {reason}.", "운영자가 “{object}” 대상에 “{kind}” 작업을 요청했어요. 이유: {reason}."},
		plain: text{"An operator asked for a change that takes two.", "운영자가 두 사람이 필요한 변경을 요청했어요."},
	},
	"staff.request_approved": {
		OCSF:  OCSF{ocsfEntity, 3},
		say:   text{"A second operator approved “{kind}” on “{object}”, and it was done. Reason: {reason}.", "다른 운영자가 “{object}” 대상의 “{kind}” 요청을 승인했고 바로 실행됐어요. 이유: {reason}."},
		plain: text{"A second operator approved a change, and it was done.", "다른 운영자가 변경을 승인했고 바로 실행됐어요."},
	},
	"staff.request_refused": {
		OCSF:  OCSF{ocsfEntity, ocsfOther},
		say:   text{"“{kind}” on “{object}” was refused. Reason: {reason}.", "“{object}” 대상의 “{kind}” 요청을 거절했어요. 이유: {reason}."},
		plain: text{"A change that takes two was refused.", "두 사람이 필요한 변경을 거절했어요."},
	},
	"staff.self_approval": {
		OCSF:  OCSF{ocsfFinding, 1},
		say:   text{"An operator tried to approve their own request for “{kind}” on “{object}” and was refused.", "운영자가 “{object}” 대상에 낸 자신의 “{kind}” 요청을 승인하려다 거부됐어요."},
		plain: text{"An operator tried to approve their own request and was refused.", "운영자가 자신의 요청을 승인하려다 거부됐어요."},
	},
	"client.registered": {
		OCSF:  OCSF{ocsfEntity, 1},
		say:   text{"The app “{client}” was registered.", "“{client}” 앱을 등록했어요."},
		cases: []variant{{"by", "staff", text{"The operator “{operator}” registered the app “{client}”. Reason: {reason}.", "“{operator}” 운영자가 “{client}” 앱을 등록했어요. 이유: {reason}."}}},
		plain: text{"An app was registered.", "앱을 등록했어요."},
	},
	"client.off": {
		OCSF:  OCSF{ocsfEntity, 4},
		say:   text{"The app “{client}” was switched off, and everything it held ended.", "“{client}” 앱을 끄고 그 앱이 가진 권한을 모두 끝냈어요."},
		cases: []variant{{"by", "staff", text{"The operator “{operator}” switched the app “{client}” off, and everything it held ended. Reason: {reason}.", "“{operator}” 운영자가 “{client}” 앱을 끄고 그 앱이 가진 권한을 모두 끝냈어요. 이유: {reason}."}}},
		plain: text{"An app was switched off, and everything it held ended.", "앱을 끄고 그 앱이 가진 권한을 모두 끝냈어요."},
	},
	"client.publisher_dropped": {
		OCSF:  OCSF{ocsfEntity, 3},
		say:   text{"The operator “{operator}” took back the verification of the app “{client}”, and everything it held ended. Reason: {reason}.", "“{operator}” 운영자가 “{client}” 앱의 게시자 확인을 취소하고 그 앱이 가진 권한을 모두 끝냈어요. 이유: {reason}."},
		plain: text{"The verification of an app was taken back, and everything it held ended.", "앱의 게시자 확인을 취소하고 그 앱이 가진 권한을 모두 끝냈어요."},
	},
	"grant.given": {
		// notify mails only about apps that are not the exchange's own.
		Notice: Low, Mail: "app_given", Shown: true, OCSF: OCSF{ocsfAuthentication, 1},
		say: text{"The app “{client}” got access.", "“{client}” 앱이 접근 권한을 받았어요."},
		cases: []variant{
			{"party", "own", text{"You signed in to “{client}” on {agent}.", "“{agent}” 기기에서 “{client}” 서비스에 로그인했어요."}},
			{"party", "third", text{"You connected the app “{client}” on {agent}.", "“{agent}” 기기에서 “{client}” 앱을 연결했어요."}},
		},
		plain: text{"An app got access.", "앱 하나가 접근 권한을 받았어요."},
	},
	"grant.refreshed": {
		OCSF:  OCSF{ocsfAuthentication, 5},
		plain: text{"An app renewed its access.", "앱이 접근 권한을 갱신했어요."},
	},
	"grant.ended": {
		Shown: true, OCSF: OCSF{ocsfAuthentication, 2},
		say: text{"The access of the app “{client}” ended.", "“{client}” 앱의 접근 권한을 끝냈어요."},
		cases: []variant{
			{"by", "owner", text{"You disconnected the app “{client}”.", "“{client}” 앱의 연결을 끊었어요."}},
			{"by", "app", text{"The app “{client}” gave its access back.", "“{client}” 앱이 접근 권한을 돌려줬어요."}},
		},
		plain: text{"The access of an app ended.", "앱 하나의 접근 권한을 끝냈어요."},
	},
	"grant.narrowed": {
		Shown: true, OCSF: OCSF{ocsfAccountChange, ocsfOther},
		say:   text{"You took rights away from the app “{client}”.", "“{client}” 앱의 권한을 줄였어요."},
		plain: text{"Rights were taken away from an app.", "앱 하나의 권한을 줄였어요."},
	},
	"grant.suspect": {
		Notice: Critical, Mail: "app_suspect", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"A copy of a token of the app “{client}” was tried without the app's key and refused.", "“{client}” 앱의 토큰 사본이 그 앱의 키 없이 쓰이려다 거부됐어요."},
		plain: text{"A copy of an app's token was tried without the app's key and refused.", "앱의 토큰 사본이 그 앱의 키 없이 쓰이려다 거부됐어요."},
	},
	"grant.reuse": {
		Notice: Critical, Mail: "app_reuse", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"A spent token of the app “{client}” was used again. Its access was ended.", "“{client}” 앱의 이미 사용된 토큰이 다시 쓰여서 접근 권한을 끝냈어요."},
		plain: text{"A spent token of an app was used again. Its access was ended.", "앱의 이미 사용된 토큰이 다시 쓰여서 접근 권한을 끝냈어요."},
	},
	"grant.code_replayed": {
		Notice: Critical, Mail: "app_code_replayed", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"A spent code of the app “{client}” was used again. Its access was ended.", "“{client}” 앱의 이미 사용된 코드가 다시 쓰여서 접근 권한을 끝냈어요."},
		plain: text{"A spent code of an app was used again. Its access was ended.", "앱의 이미 사용된 코드가 다시 쓰여서 접근 권한을 끝냈어요."},
	},
	"apikey.added": {
		Notice: Critical, Mail: "bot_key_added", Shown: true, OCSF: OCSF{ocsfEntity, 1},
		say:   text{"You made an API key for “{purpose}” on {agent}. It may: {scopes}.", "“{agent}” 기기에서 “{purpose}” 용도의 API 키를 만들었어요. 권한: {scopes}."},
		plain: text{"An API key was made.", "API 키가 만들어졌어요."},
	},
	"apikey.imported": {
		Notice: Low, Mail: "bot_key_imported", Shown: true, OCSF: OCSF{ocsfEntity, 1},
		say:   text{"The exchange moved your API key for “{purpose}” here. It may: {scopes}.", "거래소가 “{purpose}” 용도의 API 키를 여기로 옮겼어요. 권한: {scopes}."},
		plain: text{"An API key was moved here.", "API 키가 여기로 옮겨졌어요."},
	},
	"apikey.in_browser": {
		Notice: Critical, Mail: "bot_key_in_browser", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"The API key for “{purpose}” was used in a web page, where everybody can read its secret. The requests were refused.", "“{purpose}” 용도의 API 키가 누구나 비밀 값을 읽을 수 있는 웹 페이지에서 쓰였어요. 요청은 거부됐어요."},
		plain: text{"An API key was used in a web page.", "API 키가 웹 페이지에서 쓰였어요."},
	},
	"apikey.clock_off": {
		Notice: Low, Mail: "bot_key_clock", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"The clock of the bot for “{purpose}” is {skew} off. Set it right before its requests are refused.", "“{purpose}” 봇의 시계가 {skew} 어긋나 있어요. 요청이 거부되기 전에 시계를 맞추세요."},
		plain: text{"The clock of a bot is off.", "봇의 시계가 어긋나 있어요."},
	},
	"apikey.quarantined": {
		Notice: Critical, Mail: "bot_key_quarantined", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		say:   text{"The API key for “{purpose}” went into quarantine: it can look and cancel, and no more.", "“{purpose}” 용도의 API 키가 격리됐어요. 조회와 주문 취소만 할 수 있어요."},
		plain: text{"An API key went into quarantine.", "API 키가 격리됐어요."},
	},
	"apikey.narrowed": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You took power from the API key for “{purpose}”, or renamed it. It may now: {scopes}.", "“{purpose}” 용도의 API 키 권한을 줄이거나 이름을 바꿨어요. 현재 권한: {scopes}."},
		plain: text{"An API key was limited.", "API 키의 권한이 줄었어요."},
	},
	"apikey.widened": {
		Notice: Critical, Mail: "bot_key_widened", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You gave more to the API key for “{purpose}”. It may now: {scopes}.", "“{purpose}” 용도의 API 키에 권한을 더했어요. 현재 권한: {scopes}."},
		plain: text{"An API key got more power.", "API 키의 권한이 늘었어요."},
	},
	"apikey.unlocked": {
		Notice: Critical, Mail: "bot_key_unlocked", Shown: true, OCSF: OCSF{ocsfEntity, 8},
		say:   text{"You let the API key for “{purpose}” withdraw, on {agent}.", "“{agent}” 기기에서 “{purpose}” 용도의 API 키가 출금할 수 있게 했어요."},
		plain: text{"An API key may now withdraw.", "API 키가 출금할 수 있게 됐어요."},
	},
	"apikey.released": {
		Notice: Critical, Mail: "bot_key_released", Shown: true, OCSF: OCSF{ocsfEntity, 8},
		say:   text{"You took the API key for “{purpose}” out of quarantine. It may: {scopes}.", "“{purpose}” 용도의 API 키를 격리에서 풀었어요. 권한: {scopes}."},
		plain: text{"An API key was taken out of quarantine.", "API 키가 격리에서 풀렸어요."},
	},
	"apikey.revoked": {
		Notice: Low, Mail: "bot_key_revoked", Shown: true, OCSF: OCSF{ocsfEntity, 4},
		say:   text{"The API key for “{purpose}” was ended.", "“{purpose}” 용도의 API 키를 종료했어요."},
		plain: text{"An API key was ended.", "API 키가 종료됐어요."},
	},
	"subaccount.made": {
		Notice: Critical, Mail: "sub_made", Shown: true, OCSF: OCSF{ocsfEntity, 1},
		say:   text{"You made the sub-account “{sub}” on {agent}.", "“{agent}” 기기에서 “{sub}” 하위 계정을 만들었어요."},
		plain: text{"A sub-account was made.", "하위 계정이 만들어졌어요."},
	},
	"subaccount.widened": {
		Notice: Critical, Mail: "sub_widened", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You gave more to the sub-account “{sub}”, or let it work again.", "“{sub}” 하위 계정에 권한을 더했거나 다시 쓸 수 있게 했어요."},
		plain: text{"A sub-account got more power.", "하위 계정의 권한이 늘었어요."},
	},
	"subaccount.narrowed": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You limited the sub-account “{sub}”, or renamed it.", "“{sub}” 하위 계정을 제한했거나 이름을 바꿨어요."},
		plain: text{"A sub-account was limited.", "하위 계정이 제한됐어요."},
	},
	"subaccount.frozen": {
		Notice: Low, Mail: "sub_frozen", Shown: true, OCSF: OCSF{ocsfEntity, 9},
		say:   text{"The sub-account “{sub}” was frozen: its keys can look and cancel, and no more.", "“{sub}” 하위 계정이 동결됐어요. 그 키로는 조회와 주문 취소만 할 수 있어요."},
		plain: text{"A sub-account was frozen.", "하위 계정이 동결됐어요."},
	},
	"subaccount.emptying": {
		Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You began to empty the sub-account “{sub}”: it trades no more.", "“{sub}” 하위 계정을 비우기 시작했어요. 더 이상 거래하지 않아요."},
		plain: text{"A sub-account is being emptied.", "하위 계정을 비우는 중이에요."},
	},
	"subaccount.closed": {
		Notice: Low, Mail: "sub_closed", Shown: true, OCSF: OCSF{ocsfEntity, 4},
		say:   text{"The sub-account “{sub}” was closed. Keys that ended with it: {n}.", "“{sub}” 하위 계정을 닫았어요. 함께 종료된 키: {n}."},
		plain: text{"A sub-account was closed.", "하위 계정이 닫혔어요."},
	},
	"apikey.leaked": {
		Notice: Critical, Mail: "bot_key_leaked", Shown: true, OCSF: OCSF{ocsfFinding, 1},
		cases: []variant{{"via", "github", text{"GitHub found the secret of your API key for “{purpose}” where others can read it. The key can look and cancel, and no more.", "GitHub에서 “{purpose}” 용도의 API 키 비밀 값이 남이 읽을 수 있는 곳에서 발견됐어요. 조회와 주문 취소만 할 수 있어요."}}},
		say:   text{"Somebody who has the secret of your API key for “{purpose}” told us so. The key can look and cancel, and no more.", "“{purpose}” 용도의 API 키 비밀 값을 가진 사람이 저희에게 알려 줬어요. 조회와 주문 취소만 할 수 있어요."},
		plain: text{"The secret of an API key was found outside. The key can look and cancel, and no more.", "API 키의 비밀 값이 외부에서 발견됐어요. 조회와 주문 취소만 할 수 있어요."},
	},
	"apikey.dormant": {
		Notice: Low, Mail: "bot_key_dormant", Shown: true, OCSF: OCSF{ocsfEntity, ocsfOther},
		say:   text{"The API key for “{purpose}” was not used since {since}. On {on} these rights begin to rest: {scopes}.", "“{purpose}” 용도의 API 키를 오랫동안 쓰지 않았어요. 쓰지 않기 시작한 날: {since}. 쉬기 시작하는 날: {on}. 쉬게 될 권한: {scopes}."},
		plain: text{"An API key was not used for long. Some of its rights will rest soon.", "오랫동안 쓰지 않은 API 키가 있어요. 곧 일부 권한이 쉬게 돼요."},
	},
	"apikey.asleep": {
		Notice: Low, Mail: "bot_key_asleep", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"The API key for “{purpose}” was not used since {since}, so these rights rest: {scopes}.", "“{purpose}” 용도의 API 키를 오랫동안 쓰지 않았어요. 쓰지 않기 시작한 날: {since}. 쉬고 있는 권한: {scopes}."},
		plain: text{"An API key was not used for long, so some of its rights rest.", "오랫동안 쓰지 않은 API 키의 일부 권한이 쉬고 있어요."},
	},
	"apikey.woken": {
		Notice: Critical, Mail: "bot_key_woken", Shown: true, OCSF: OCSF{ocsfEntity, 8},
		say:   text{"You woke the API key for “{purpose}”. It may again: {scopes}.", "쉬고 있던 “{purpose}” 용도의 API 키를 깨웠어요. 다시 할 수 있는 일: {scopes}."},
		plain: text{"The resting rights of an API key were given back.", "API 키의 쉬던 권한을 되돌렸어요."},
	},
	"apikey.ended_many": {
		Notice: Critical, Mail: "bot_keys_ended", Shown: true, OCSF: OCSF{ocsfEntity, 4},
		say:   text{"The exchange ended {n} of your API keys.", "거래소가 회원님의 API 키 {n}개를 종료했어요."},
		plain: text{"The exchange ended API keys of this account.", "거래소가 이 계정의 API 키를 종료했어요."},
	},
	"apikey.honeytoken_added": {
		OCSF:  OCSF{ocsfEntity, 1},
		say:   text{"A honeytoken was made: {purpose}.", "허니토큰을 만들었어요: {purpose}."},
		plain: text{"A honeytoken was made.", "허니토큰을 만들었어요."},
	},
	"apikey.honeytoken_used": {
		OCSF:  OCSF{ocsfFinding, 1},
		say:   text{"A honeytoken was used {n} times: {purpose}.", "허니토큰이 {n}번 쓰였어요: {purpose}."},
		plain: text{"A honeytoken was used.", "허니토큰이 쓰였어요."},
	},
	"apikey.honeytoken_found": {
		OCSF:  OCSF{ocsfFinding, 1},
		say:   text{"A honeytoken was found outside and reported: {purpose}.", "허니토큰이 외부에서 발견돼 신고됐어요: {purpose}."},
		plain: text{"A honeytoken was found outside and reported.", "허니토큰이 외부에서 발견돼 신고됐어요."},
	},
	"apikey.honeytoken_ended": {
		OCSF:  OCSF{ocsfEntity, 4},
		plain: text{"A honeytoken was taken away.", "허니토큰을 없앴어요."},
	},
	"apikey.rotated": {
		Notice: Critical, Mail: "bot_key_rotated", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		cases: []variant{{"why", "leak", text{"You replaced what signs for the API key for “{purpose}” because it may have leaked. The old version ended at once.", "유출됐을 수 있어 “{purpose}” 용도의 API 키를 교체했어요. 이전 버전은 바로 종료됐어요."}}},
		say:   text{"You replaced what signs for the API key for “{purpose}”. It is now version {n}.", "“{purpose}” 용도의 API 키를 교체했어요. 이제 버전 {n}이에요."},
		plain: text{"An API key was replaced.", "API 키가 교체됐어요."},
	},
	"apikey.rotated_self": {
		Notice: Critical, Mail: "bot_key_rotated_self", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"The bot with the API key for “{purpose}” replaced what signs for it. It is now version {n}.", "“{purpose}” 용도의 API 키를 쓰는 봇이 스스로 키를 교체했어요. 이제 버전 {n}이에요."},
		plain: text{"A bot replaced its API key.", "봇이 API 키를 교체했어요."},
	},
	"apikey.retired": {
		Shown: true, OCSF: OCSF{ocsfEntity, 4},
		cases: []variant{{"forced", "true", text{"The old version of the API key for “{purpose}” was ended, though it may have been in use.", "쓰이고 있을 수 있는 “{purpose}” 용도의 API 키 이전 버전이 종료됐어요."}}},
		say:   text{"The old version of the API key for “{purpose}” was ended.", "“{purpose}” 용도의 API 키 이전 버전이 종료됐어요."},
		plain: text{"The old version of an API key was ended.", "API 키의 이전 버전이 종료됐어요."},
	},
	"apikey.old_kept": {
		Notice: Critical, Mail: "bot_key_old_kept", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You let the old version of the API key for “{purpose}” work longer.", "“{purpose}” 용도의 API 키 이전 버전을 더 오래 쓸 수 있게 했어요."},
		plain: text{"The old version of an API key works longer.", "API 키의 이전 버전을 더 오래 쓸 수 있어요."},
	},
	"apikey.rotation_undone": {
		Notice: Critical, Mail: "bot_key_undone", Shown: true, OCSF: OCSF{ocsfEntity, 3},
		say:   text{"You went back to the old version of the API key for “{purpose}”. The new one ended at once.", "“{purpose}” 용도의 API 키를 이전 버전으로 되돌렸어요. 새 버전은 바로 종료됐어요."},
		plain: text{"An API key went back to its old version.", "API 키가 이전 버전으로 되돌려졌어요."},
	},
	"apikey.ends_soon": {
		Notice: Low, Mail: "bot_key_ends_soon", Shown: true, OCSF: OCSF{ocsfOther, ocsfOther},
		cases: []variant{{"days", "1", text{"The API key for “{purpose}” ends within a day. After that it can only look and cancel.", "“{purpose}” 용도의 API 키가 하루 안에 끝나요. 그 뒤에는 조회와 취소만 할 수 있어요."}}},
		say:   text{"The API key for “{purpose}” ends within {days} days. After that it can only look and cancel.", "“{purpose}” 용도의 API 키가 {days}일 안에 끝나요. 그 뒤에는 조회와 취소만 할 수 있어요."},
		plain: text{"An API key ends soon.", "API 키가 곧 끝나요."},
	},
	"apikey.update_announced": {
		Notice: Low, Mail: "bot_key_update", Shown: true, OCSF: OCSF{ocsfOther, ocsfOther},
		say:   text{"“{partner}” announced version {what}. Replace what signs for the API key for “{purpose}”.", "“{partner}” 제휴사의 새 버전: {what}. “{purpose}” 용도의 API 키를 교체해 주세요."},
		plain: text{"A partner asks to replace an API key.", "제휴사가 API 키 교체를 요청했어요."},
	},
	"keyring.rotated": {
		OCSF:  OCSF{ocsfEntity, 3},
		plain: text{"The server's own keys were rotated.", "서버의 키를 교체했어요."},
	},
	"keyring.gate_file": {
		OCSF:  OCSF{ocsfEntity, 1},
		plain: text{"A gate's key file was written: it opens the secrets of API keys.", "게이트용 키 파일을 만들었어요. API 키의 비밀을 열 수 있어요."},
	},
	"apikey.resealed": {
		OCSF:  OCSF{ocsfEntity, 3},
		say:   text{"{n} secrets of API keys were sealed under keys of their own.", "API 키 비밀 {n}개를 전용 키로 다시 봉인했어요."},
		plain: text{"Secrets of API keys were sealed under keys of their own.", "API 키의 비밀을 전용 키로 다시 봉인했어요."},
	},
	"gate.stale": {
		OCSF:  OCSF{ocsfFinding, 1},
		say:   text{"A gate without a database answered {requests} requests from memory: looking and cancelling only.", "데이터베이스에 닿지 않는 동안 게이트가 기억에 따라 요청 {requests}건에 답했어요. 조회와 취소만 허용했어요."},
		plain: text{"A gate without a database answered from memory for a while.", "데이터베이스에 닿지 않는 동안 게이트가 기억에 따라 답했어요."},
	},
	"keyring.rewrapped": {
		OCSF:  OCSF{ocsfEntity, 3},
		say:   text{"The server's root key is wrapped by another key now: {to}, before {from}.", "서버의 루트 키를 감싸는 키를 바꿨어요. 이전: {from}, 현재: {to}."},
		plain: text{"The server's root key was wrapped by another key.", "서버의 루트 키를 감싸는 키를 바꿨어요."},
	},
	"audit.restore_accepted": {
		OCSF:  OCSF{ocsfEntity, 3},
		say:   text{"A restored database was accepted: it has {size} events, the anchor has {anchor}.", "복원된 데이터베이스를 받아들였어요. 기록 수: {size}, 앵커 기록 수: {anchor}."},
		plain: text{"A restored database was accepted.", "복원된 데이터베이스를 받아들였어요."},
	},
}

var order []Action

func init() {
	for a, s := range actions {
		if s.say == (text{}) {
			s.say = s.plain
			actions[a] = s
		}
		order = append(order, a)
	}
	slices.Sort(order)
}
