package edge

import (
	"maps"
	"net/http"
	"slices"
)

// text is one sentence in the two languages of the product.
type text struct{ en, ko string }

func (t text) in(lang string) string {
	if lang == "ko" {
		return t.ko
	}
	return t.en
}

// row is what the world learns about a code. Nothing in it depends on the
// request, so no answer can leak by its wording; what differs per request
// (purpose, field, wait) travels in members the caller sets on purpose.
type row struct {
	status int
	anchor string // chapter of the error pages; the code itself when empty
	title  text   // what happened, as a heading
	detail text   // what it means and the quickest way on
}

// table is the one map from code to answer. Codes are part of the contract
// with clients: never renamed, never given a second meaning.
var table = map[string]row{
	// The request itself.
	"bad_request": {400, "request", text{"This request cannot be read", "요청을 읽을 수 없습니다"},
		text{"The request is not formed as this address expects. See \"errors\" for the part that was refused.", "이 주소가 요구하는 형식의 요청이 아닙니다. 거부된 부분은 \"errors\"에 있습니다."}},
	"body_too_large": {413, "request", text{"This request is too large", "요청이 너무 큽니다"},
		text{"The body is larger than this address accepts. Nothing was read or changed.", "본문이 이 주소가 허용하는 크기를 넘습니다. 읽거나 바꾼 것은 없습니다."}},
	"unknown_field": {400, "request", text{"The request names an unknown field", "알 수 없는 항목이 있습니다"},
		text{"A field is not known here. Fields are never ignored, so that a typing mistake cannot weaken a request. Remove or correct it.", "알 수 없는 항목이 들어 있습니다. 오타로 요청의 뜻이 약해지지 않도록 항목을 무시하지 않습니다. 지우거나 고쳐 주세요."}},
	"nul_in_text": {400, "request", text{"The text contains a forbidden character", "텍스트에 쓸 수 없는 문자가 있습니다"},
		text{"A text contains the character U+0000, which cannot be stored. Remove it and send the request again.", "텍스트에 저장할 수 없는 문자 U+0000이 있습니다. 지우고 다시 보내 주세요."}},
	"unsupported_media_type": {415, "request", text{"This content type is not accepted", "지원하지 않는 콘텐츠 형식입니다"},
		text{"Send the body with the content type that this address documents, for example \"application/json\".", "이 주소의 문서에 적힌 콘텐츠 형식(예: \"application/json\")으로 보내 주세요."}},
	"not_found": {404, "request", text{"There is nothing at this address", "이 주소에는 아무것도 없습니다"},
		text{"The address is wrong, or what was here is not here for you.", "주소가 잘못되었거나, 볼 수 있는 내용이 없습니다."}},
	"method_not_allowed": {405, "request", text{"This method is not allowed here", "이 주소에서 쓸 수 없는 메서드입니다"},
		text{"The address exists, but not for this method. The \"Allow\" header lists the methods it takes.", "주소는 있지만 이 메서드로는 쓸 수 없습니다. 가능한 메서드는 \"Allow\" 헤더에 있습니다."}},
	"cross_site_request": {403, "request", text{"This request came from another site", "다른 사이트에서 온 요청입니다"},
		text{"Another website tried to act here in your name, so nothing was done. Open the page here and try again.", "다른 웹사이트가 이곳에서 대신 실행하려 해 아무것도 하지 않았습니다. 이 사이트의 페이지를 열어 다시 시도해 주세요."}},

	// Limits and the server's own state.
	"rate_limited": {429, "limits", text{"Too many requests", "요청이 너무 많습니다"},
		text{"A limit was reached. Wait as long as the \"Retry-After\" header says, then try again. Nothing was changed.", "한도에 도달했습니다. \"Retry-After\" 헤더가 알려 주는 시간만큼 기다린 뒤 다시 시도해 주세요. 바뀐 것은 없습니다."}},
	"busy": {503, "limits", text{"The server is busy", "서버가 바쁩니다"},
		text{"The request was not carried out. Send it again in a moment.", "요청이 실행되지 않았습니다. 잠시 뒤 다시 보내 주세요."}},
	"unavailable": {503, "limits", text{"The service is not available right now", "지금은 서비스를 이용할 수 없습니다"},
		text{"The request could not be finished in time. Try again in a moment.", "요청을 제시간에 마치지 못했습니다. 잠시 뒤 다시 시도해 주세요."}},
	"no_new_keys": {503, "limits", text{"No new keys can be made right now", "지금은 새 키를 만들 수 없습니다"},
		text{"The key that protects new secrets cannot be reached. What exists works on; nothing was changed. Try again in a few minutes.", "새 비밀을 보호하는 키에 연결할 수 없습니다. 이미 있는 키는 계속 쓸 수 있고 바뀐 것은 없습니다. 몇 분 뒤 다시 시도해 주세요."}},
	"keys_shut": {503, "limits", text{"The server's keys are shut", "서버의 키가 잠겨 있습니다"},
		text{"The key that opens the server's own keys has not been reached for 15 minutes, so nothing is decided until it is back. Nothing was changed. Try again in a few minutes.", "서버의 키를 여는 키에 15분 동안 연결하지 못해, 다시 연결될 때까지 아무것도 처리하지 않습니다. 바뀐 것은 없습니다. 몇 분 뒤 다시 시도해 주세요."}},
	"internal": {500, "limits", text{"Something went wrong on our side", "서버에서 문제가 생겼습니다"},
		text{"The request failed and the cause was recorded. If it happens again, tell support the request id.", "요청이 실패했고 원인을 기록했습니다. 다시 발생하면 고객 지원에 요청 번호를 알려 주세요."}},

	// Sessions and proofs of possession.
	"not_signed_in": {401, "sessions", text{"Sign in first", "먼저 로그인해 주세요"},
		text{"This needs a session and the request carried none.", "세션이 필요하지만 요청에 세션이 없습니다."}},
	"session_ended": {401, "sessions", text{"This session has ended", "종료된 세션입니다"},
		text{"The session was ended or ran out. Sign in again to go on.", "세션이 종료되었거나 만료되었습니다. 계속하려면 다시 로그인해 주세요."}},
	"access_expired": {401, "sessions", text{"The access token has expired", "액세스 토큰이 만료되었습니다"},
		text{"Access lasts minutes on purpose. Renew it with the refresh token and send the request again; it was not carried out.", "액세스는 의도적으로 몇 분만 유지됩니다. 리프레시 토큰으로 갱신한 뒤 다시 보내 주세요. 이 요청은 실행되지 않았습니다."}},
	"proof_missing": {401, "proofs", text{"A proof of the device's key is missing", "기기 키 증명이 없습니다"},
		text{"This token is bound to a key. Send a fresh proof made with that key in the \"DPoP\" header.", "이 토큰은 키에 묶여 있습니다. 그 키로 새로 만든 증명을 \"DPoP\" 헤더로 보내 주세요."}},
	"proof_invalid": {401, "proofs", text{"The proof of the device's key is not valid", "기기 키 증명이 올바르지 않습니다"},
		text{"The proof does not fit this request, this token or this time. Make a new one; check the clock of the device if it keeps failing.", "증명이 이 요청, 토큰 또는 시각과 맞지 않습니다. 새로 만들어 주세요. 계속 실패하면 기기의 시계를 확인해 주세요."}},
	"proof_replayed": {401, "proofs", text{"This proof was used before", "이미 사용한 증명입니다"},
		text{"Each proof works once. Make a new one for each request.", "증명은 한 번만 쓸 수 있습니다. 요청마다 새로 만들어 주세요."}},
	"use_dpop_nonce": {401, "proofs", text{"The proof needs the server's nonce", "증명에 서버 논스가 필요합니다"},
		text{"Make the proof again with the value of the \"DPoP-Nonce\" header of this answer.", "이 응답의 \"DPoP-Nonce\" 헤더 값을 넣어 증명을 다시 만들어 주세요."}},
	"bound_missing": {401, "proofs", text{"This browser did not show its device's key", "브라우저가 기기의 키를 보여 주지 않았습니다"},
		text{"The session is bound to a key of the device, and the browser did not show it. Nothing was carried out. Confirm with a passkey to go on.", "기기의 키에 묶인 세션인데 브라우저가 그 키를 보여 주지 않았습니다. 아무것도 실행하지 않았습니다. 계속하려면 패스키로 확인해 주세요."}},
	"bound_challenge": {403, "proofs", text{"Sign the challenge of this answer", "이 응답의 챌린지에 서명해 주세요"},
		text{"The browser signs the value of \"Secure-Session-Challenge\" with the key it registered and asks again. It does so by itself.", "브라우저가 \"Secure-Session-Challenge\" 값에 등록한 키로 서명해 다시 요청합니다. 브라우저가 스스로 합니다."}},
	"bound_refused": {401, "proofs", text{"No device key was taken", "기기의 키를 확인하지 못했습니다"},
		text{"The key or its signature does not belong to this session, or too much time has passed. Sign in again to bind a session to this device.", "키나 서명이 이 세션의 것이 아니거나 시간이 지났습니다. 세션을 이 기기에 묶으려면 다시 로그인해 주세요."}},
	"step_up_required": {403, "step-up", text{"Confirm with your passkey", "패스키로 확인해 주세요"},
		text{"This act needs a fresh confirmation with a passkey. \"purpose\" says for what, \"url\" where.", "이 작업은 패스키로 다시 확인해야 합니다. 무엇을 위한 확인인지는 \"purpose\", 어디에서 하는지는 \"url\"에 있습니다."}},
	"key_too_new": {403, "step-up", text{"This passkey is too new for that", "이 작업을 하기에는 새 패스키입니다"},
		text{"For a day after it was added, a passkey has no power over what is older than it. \"until\" says when that is over, \"keys\" which of your passkeys may now. Nothing was changed.", "새로 추가한 패스키는 하루 동안 그보다 오래된 것을 바꿀 수 없습니다. 끝나는 때는 \"until\", 지금 쓸 수 있는 패스키는 \"keys\"에 있습니다. 바뀐 것은 없습니다."}},
	"key_grade_low": {403, "step-up", text{"This takes a passkey that cannot leave its device", "기기를 벗어날 수 없는 패스키가 필요합니다"},
		text{"The exchange asks for a key here whose maker vouches that it stays in its hardware, such as a security key. \"keys\" says which of your passkeys would do. Nothing was changed.", "거래소는 이 작업에 보안 키처럼 하드웨어를 벗어나지 않는다고 제조사가 보증하는 키를 요구합니다. 쓸 수 있는 패스키는 \"keys\"에 있습니다. 바뀐 것은 없습니다."}},
	"insufficient_power": {403, "step-up", text{"This way of signing in may not do that", "이 로그인 방법으로는 할 수 없습니다"},
		text{"You signed in with a fallback. It can look, end sessions and freeze the account, and nothing more. Sign in with a passkey to do this.", "대체 수단으로 로그인했습니다. 조회, 세션 종료, 계정 동결만 할 수 있습니다. 이 작업을 하려면 패스키로 로그인해 주세요."}},
	"refresh_invalid": {401, "rotation", text{"The refresh token is not valid", "리프레시 토큰이 올바르지 않습니다"},
		text{"It is not ours, ran out or was revoked. Sign in again.", "발급되지 않았거나 만료 또는 폐기된 토큰입니다. 다시 로그인해 주세요."}},
	"refresh_superseded": {409, "rotation", text{"A newer refresh token exists", "더 새로운 리프레시 토큰이 있습니다"},
		text{"Another tab or process refreshed a moment ago. Read your token store again and go on with the newer token. Nothing was revoked.", "다른 탭이나 프로세스가 방금 갱신했습니다. 저장된 토큰을 다시 읽고 새 토큰으로 계속해 주세요. 폐기된 것은 없습니다."}},
	"refresh_reused": {401, "rotation", text{"A spent refresh token was used again", "이미 사용한 리프레시 토큰이 다시 쓰였습니다"},
		text{"Somebody may hold a copy, so everything that came from this token has ended. The owner was told. Sign in again.", "누군가 복사본을 가지고 있을 수 있어 이 토큰에서 나온 것을 모두 종료하고 소유자에게 알렸습니다. 다시 로그인해 주세요."}},
	"refresh_wrong_key": {401, "rotation", text{"The refresh token belongs to another key", "다른 키에 묶인 리프레시 토큰입니다"},
		text{"The token is bound to a key, and no proof of that key came with it. Nothing was refreshed, and the owner is told.", "토큰이 묶인 키의 증명이 함께 오지 않았습니다. 갱신하지 않았으며 소유자에게 알립니다."}},

	// Accounts.
	"account_frozen": {403, "accounts", text{"This account is frozen", "동결된 계정입니다"},
		text{"Its owner or the exchange froze it. Nothing can be added or moved until the owner lifts the freeze with a passkey.", "소유자 또는 거래소가 동결했습니다. 소유자가 패스키로 동결을 풀 때까지 추가하거나 옮길 수 없습니다."}},
	"account_closed": {403, "accounts", text{"This account is closed", "해지된 계정입니다"},
		text{"A closed account cannot be used again.", "해지된 계정은 다시 사용할 수 없습니다."}},
	"account_restricted": {403, "accounts", text{"This account is restricted for now", "일시적으로 제한된 계정입니다"},
		text{"What protects this account cannot be changed for now. Ending sessions and freezing work as always. The exchange can say why.", "지금은 계정을 보호하는 수단을 바꿀 수 없습니다. 세션 종료와 동결은 그대로 할 수 있습니다. 이유는 거래소에 문의해 주세요."}},
	"held": {403, "accounts", text{"This has to wait", "대기 기간입니다"},
		text{"A waiting time protects this account. \"until\" says when it ends and \"because\" why it began. Nobody can shorten it.", "대기 기간으로 계정을 보호하고 있습니다. 끝나는 때는 \"until\", 이유는 \"because\"에 있습니다. 누구도 줄일 수 없습니다."}},
	"account_unknown": {404, "accounts", text{"There is no such account", "그런 계정이 없습니다"},
		text{"No account has this id.", "이 ID의 계정이 없습니다."}},
	"external_id_taken": {409, "accounts", text{"This external id is in use", "이미 사용 중인 외부 ID입니다"},
		text{"Another account already carries this external id. It was not changed.", "다른 계정이 이 외부 ID를 쓰고 있습니다. 그 계정은 바뀌지 않았습니다."}},
	"sign_up_closed": {403, "accounts", text{"Sign-up is closed here", "이곳에서는 가입할 수 없습니다"},
		text{"New accounts come from the exchange. Start there and you will be brought here.", "새 계정은 거래소에서 만듭니다. 거래소에서 시작하면 이곳으로 안내됩니다."}},
	"contact_taken": {409, "accounts", text{"This contact cannot be added", "추가할 수 없는 연락처입니다"},
		text{"It is already verified for an account.", "이미 확인된 연락처입니다."}},
	"contact_unknown": {404, "accounts", text{"There is no such contact", "그런 연락처가 없습니다"},
		text{"Your account has no contact with this id. It may have been removed.", "계정에 이 ID의 연락처가 없습니다. 이미 삭제되었을 수 있습니다."}},
	"link_expired": {410, "links", text{"This link has expired", "만료된 링크입니다"},
		text{"Ask for a new one on the page that sent it.", "링크를 보낸 페이지에서 새로 요청해 주세요."}},
	"link_used": {410, "links", text{"This link was used", "이미 사용한 링크입니다"},
		text{"Each link works once. If that was you, all is done; if not, open your security page and look at the activity.", "링크는 한 번만 쓸 수 있습니다. 본인이 사용했다면 끝난 것입니다. 아니라면 보안 페이지의 활동 내역을 확인해 주세요."}},

	// Keys, devices, sign-in. passkey_not_accepted is the one answer before
	// proof: unknown key, bad signature, wrong origin and missing user
	// verification must look the same (ASVS 6.3.8).
	"passkey_not_accepted": {401, "sign-in", text{"This passkey was not accepted", "패스키를 확인하지 못했습니다"},
		text{"Try again. If it keeps failing, use another passkey or \"Other ways to sign in\".", "다시 시도해 주세요. 계속 실패하면 다른 패스키나 \"다른 방법으로 로그인\"을 사용해 주세요."}},
	// Says no more than the browser that asks knows: credential ids are random, so
	// whoever names one has it. It lets the browser forget a passkey nobody has here
	// (signalUnknownCredential, WebAuthn L3 §5.1.10.2).
	"passkey_unknown": {401, "sign-in", text{"This passkey was not accepted", "패스키를 확인하지 못했습니다"},
		text{"Try again. If it keeps failing, use another passkey or \"Other ways to sign in\".", "다시 시도해 주세요. 계속 실패하면 다른 패스키나 \"다른 방법으로 로그인\"을 사용해 주세요."}},
	"challenge_expired": {400, "sign-in", text{"That took too long", "시간이 지났습니다"},
		text{"The question your device answered is no longer open. Start again; nothing was changed.", "기기가 응답한 요청의 시간이 지났습니다. 다시 시작해 주세요. 바뀐 것은 없습니다."}},
	"challenge_spent": {409, "sign-in", text{"This answer was used before", "이미 사용한 응답입니다"},
		text{"Each answer of a passkey works once. Start again.", "패스키의 응답은 한 번만 쓸 수 있습니다. 다시 시작해 주세요."}},
	"code_not_accepted": {401, "sign-in", text{"This code was not accepted", "코드를 확인하지 못했습니다"},
		text{"Check it and try again. Codes that were used or replaced do not work any more.", "코드를 확인하고 다시 시도해 주세요. 사용했거나 교체한 코드는 쓸 수 없습니다."}},
	// A new device. join_code_not_accepted is one answer for codes that never were, ran
	// out, were typed before, here or elsewhere.
	"join_code_not_accepted": {404, "new-device", text{"This code opens nothing", "쓸 수 없는 코드입니다"},
		text{"Check it against the new device. A code is good for ten minutes and once; the new device can show another one.", "새 기기에 보이는 코드와 비교해 주세요. 코드는 10분 동안 한 번만 쓸 수 있으며, 새 기기에서 다시 받을 수 있습니다."}},
	"join_open": {409, "new-device", text{"Another new device is waiting", "기다리는 새 기기가 있습니다"},
		text{"Answer it first: say yes or no to the device whose code you typed before.", "먼저 입력한 코드의 기기에 예 또는 아니요로 답해 주세요."}},
	"join_unknown": {404, "new-device", text{"There is no such new device", "그런 새 기기가 없습니다"},
		text{"Your account has no new device with this id. What is over is forgotten within hours.", "계정에 이 ID의 새 기기가 없습니다. 끝난 요청은 몇 시간 안에 지워집니다."}},
	"join_waiting": {409, "new-device", text{"Nobody has said yes yet", "아직 허용되지 않았습니다"},
		text{"Type the code into a device that is signed in, and say yes there.", "로그인되어 있는 기기에 코드를 입력하고 그곳에서 허용해 주세요."}},
	"join_gone": {410, "new-device", text{"This is over", "끝난 요청입니다"},
		text{"The code ran out, was used, was refused, or belongs to another browser. Start again with a new code.", "코드가 만료되었거나, 이미 사용했거나, 거절되었거나, 다른 브라우저의 것입니다. 새 코드로 다시 시작해 주세요."}},
	"join_moved": {409, "new-device", text{"This device is in another network now", "네트워크가 바뀌었습니다"},
		text{"A code is good only in the network it was shown in, because that one is what the owner looked at. Show a new code here, or go back to the first network.", "코드는 처음 보인 네트워크에서만 쓸 수 있습니다. 기기 주인이 확인한 네트워크이기 때문입니다. 여기에서 새 코드를 받거나 처음 네트워크로 돌아가 주세요."}},
	// Withdrawals.
	"intent_unknown": {404, "money", text{"There is no such withdrawal", "그런 출금이 없습니다"},
		text{"No withdrawal with this id is waiting for you, or was asked for by you.", "이 ID로 기다리거나 요청한 출금이 없습니다."}},
	"intent_decided": {409, "money", text{"This was decided already", "이미 결정된 출금입니다"},
		text{"A withdrawal is approved or refused once. \"state\" says which.", "출금은 한 번만 승인하거나 거절할 수 있습니다. 결과는 \"state\"에 있습니다."}},
	"intent_expired": {410, "money", text{"The time to decide is over", "결정할 시간이 지났습니다"},
		text{"Nothing was sent. If you want it, ask for it again.", "보낸 것은 없습니다. 필요하면 다시 요청해 주세요."}},
	"intent_void": {409, "money", text{"This request is not what was asked for", "요청한 내용과 다릅니다"},
		text{"Something about it was changed after it was stored, so nobody can approve it. Nothing was sent.", "저장된 뒤 내용이 바뀌어 승인할 수 없습니다. 보낸 것은 없습니다."}},
	"approval_withdrawn": {409, "money", text{"This approval no longer counts", "더 이상 유효하지 않은 승인입니다"},
		text{"The key, the device or the session it was given with was removed or ended before the proof was fetched. Nothing may be sent; ask again.", "증명을 받기 전에 승인에 쓴 키나 기기가 삭제되었거나 로그인이 종료되었습니다. 보내지 말고 다시 요청해 주세요."}},
	"intents_waiting": {409, "money", text{"Others are waiting for this person", "기다리는 요청이 더 있습니다"},
		text{"Three withdrawals wait for this account already. More would only tire its owner into a yes; each ends within two minutes.", "이 계정에 이미 세 건이 기다리고 있습니다. 요청이 더 쌓이면 무심코 승인하기 쉽습니다. 각 요청은 2분 안에 끝납니다."}},
	"confirmation_not_enough": {403, "money", text{"This approval would not be enough", "이 승인으로는 부족합니다"},
		text{"Nothing was approved. \"needs\" names what is enough, the quickest way first; \"until\" says how long waiting would take.", "승인되지 않았습니다. 필요한 것은 \"needs\"에 빠른 순서로 있으며, 기다리는 경우 끝나는 때는 \"until\"에 있습니다."}},
	"new_device_untested": {409, "new-device", text{"Test the new device first", "새 기기를 먼저 시험해 주세요"},
		text{"Sign in on it, or confirm there that it is you. The old device can be retired once that was seen.", "새 기기에서 로그인하거나 본인 확인을 해 주세요. 확인된 뒤에 이전 기기를 정리할 수 있습니다."}},
	"codes_already_confirmed": {409, "sign-in", text{"These codes are already confirmed", "이미 확인한 코드입니다"},
		text{"They were shown once and cannot be shown again. Make new ones if they are lost; the old ones then stop working.", "코드는 한 번만 보여 드리며 다시 볼 수 없습니다. 잃어버렸다면 새로 만들어 주세요. 이전 코드는 더 이상 쓸 수 없게 됩니다."}},
	"credential_taken": {409, "keys", text{"This passkey is already registered", "이미 등록된 패스키입니다"},
		text{"Use it to sign in, or create a new one.", "이 패스키로 로그인하거나 새로 만들어 주세요."}},
	"last_key": {409, "keys", text{"This is the last way in", "마지막 로그인 수단입니다"},
		text{"Removing it would lock you out. Add another passkey first.", "삭제하면 로그인할 수 없게 됩니다. 먼저 다른 패스키를 추가해 주세요."}},
	"key_unknown": {404, "keys", text{"There is no such key", "그런 키가 없습니다"},
		text{"Your account has no key with this id. It may have been removed.", "계정에 이 ID의 키가 없습니다. 이미 삭제되었을 수 있습니다."}},
	"device_unknown": {404, "keys", text{"There is no such device", "그런 기기가 없습니다"},
		text{"Your account has no device with this id. It may have been removed.", "계정에 이 ID의 기기가 없습니다. 이미 삭제되었을 수 있습니다."}},
	"session_unknown": {404, "sessions", text{"There is no such session", "그런 세션이 없습니다"},
		text{"Your account has no session with this id. It may have ended long ago.", "계정에 이 ID의 세션이 없습니다. 오래전에 종료되었을 수 있습니다."}},

	// Operators. invite_not_accepted is one answer for links that never were, ran out,
	// were used or replaced: who holds none learns nothing from it.
	"invite_not_accepted": {410, "operators", text{"This invitation opens nothing", "쓸 수 없는 초대입니다"},
		text{"It was used, ran out, was replaced or is not complete. Ask an admin for a new one.", "이미 사용했거나 만료되었거나 새 초대로 바뀌었거나 주소가 온전하지 않습니다. 관리자에게 새 초대를 요청해 주세요."}},
	"operator_role_missing": {403, "operators", text{"Your roles do not include this", "이 작업을 할 수 있는 역할이 없습니다"},
		text{"An operator with another role can do it. Nothing was changed.", "다른 역할을 가진 운영자가 할 수 있습니다. 바뀐 것은 없습니다."}},
	"own_act": {403, "operators", text{"Somebody else has to do this", "다른 사람이 해야 합니다"},
		text{"Nobody approves a request of their own or changes their own standing. Nothing was changed.", "자신의 요청을 승인하거나 자신의 권한을 바꿀 수 없습니다. 바뀐 것은 없습니다."}},
	"operator_unknown": {404, "operators", text{"There is no such operator", "그런 운영자가 없습니다"},
		text{"No active operator has this id.", "이 ID의 활성 운영자가 없습니다."}},
	"touch_with_another": {409, "operators", text{"Touch a passkey that stays", "남을 패스키로 확인해야 합니다"},
		text{"Whoever removes a passkey shows another one of theirs, so that nobody locks themselves out. Nothing was changed.", "로그인 수단을 잃지 않도록, 삭제할 패스키가 아닌 다른 패스키로 확인합니다. 바뀐 것은 없습니다."}},
	"request_unknown": {404, "operators", text{"There is no such request", "그런 요청이 없습니다"},
		text{"No request of operators has this id.", "이 ID의 운영자 요청이 없습니다."}},
	"request_closed": {409, "operators", text{"This request is closed", "이미 끝난 요청입니다"},
		text{"It was decided, ran out, or whoever made it is no operator any more. Nothing was changed.", "이미 결정되었거나 만료되었거나 요청한 사람이 더 이상 운영자가 아닙니다. 바뀐 것은 없습니다."}},

	// Back ends.
	"client_unauthenticated": {401, "clients", text{"The client is not known", "클라이언트를 확인하지 못했습니다"},
		text{"The client id or its secret is wrong. Nothing was done.", "클라이언트 ID 또는 비밀값이 올바르지 않습니다. 아무것도 하지 않았습니다."}},
	"client_unknown": {400, "apps", text{"This app is not known here", "등록되지 않은 앱입니다"},
		text{"The request names an app that is not registered, or was switched off. Nothing was told to it.", "요청한 앱이 등록되어 있지 않거나 꺼져 있습니다. 그 앱에 아무것도 알리지 않았습니다."}},
	"redirect_unknown": {400, "apps", text{"This is not the app's own address", "앱이 등록한 주소가 아닙니다"},
		text{"The request asks to send you to an address that the app did not register. Nobody was sent there: it could be somebody else's.", "앱이 등록하지 않은 주소로 보내 달라는 요청입니다. 다른 사람의 주소일 수 있어 보내지 않았습니다."}},
	"client_invalid": {400, "apps", text{"The app cannot be registered like this", "이대로는 앱을 등록할 수 없습니다"},
		text{"See \"errors\" for the part that was refused.", "거부된 부분은 \"errors\"에 있습니다."}},
	"ask_gone": {400, "apps", text{"This request is over", "끝난 요청입니다"},
		text{"It was answered already, or too much time has passed. Start again in the app.", "이미 처리했거나 시간이 지났습니다. 앱에서 다시 시작해 주세요."}},
	"apikey_unknown": {404, "botkeys", text{"There is no such key here", "이런 키가 없습니다"},
		text{"It may have been ended on another page. Load the list again.", "다른 화면에서 종료됐을 수 있습니다. 목록을 다시 불러와 주세요."}},
	"apikey_purpose": {400, "botkeys", text{"Say what the key is for", "키의 용도를 적어 주세요"},
		text{"Three characters to 200, in one line. You will read it in a year and want to know.", "3자에서 200자까지 한 줄로 적어 주세요. 1년 뒤에 읽어도 알 수 있어야 합니다."}},
	"apikey_public": {400, "botkeys", text{"This is no key we can check with", "확인에 쓸 수 없는 키입니다"},
		text{"An Ed25519 public key is 32 bytes, as PEM or base64. Never send the private half.", "Ed25519 공개 키는 32바이트이며 PEM이나 base64로 보내 주세요. 개인 키는 절대 보내지 마세요."}},
	"apikey_scopes": {400, "botkeys", text{"These rights or symbols cannot be given", "줄 수 없는 권한이나 종목입니다"},
		text{"Name at least one right from the list, each once, and symbols as the exchange writes them.", "목록에 있는 권한을 하나 이상, 한 번씩만 적고 종목은 거래소 표기대로 적어 주세요."}},
	"apikey_address": {400, "botkeys", text{"This is no address a key can be tied to", "키를 묶을 수 없는 주소입니다"},
		text{"Single addresses, or ranges no wider than /24 (IPv4) and /48 (IPv6), 32 at most.", "주소 하나 또는 /24(IPv4), /48(IPv6)보다 넓지 않은 대역만, 최대 32개까지 가능합니다."}},
	"apikey_needs_addresses": {400, "botkeys", text{"This right needs known addresses", "이 권한에는 주소가 필요합니다"},
		text{"A key that trades or moves money works from addresses that you name. Most stolen keys were used from somewhere else.", "거래하거나 자금을 옮기는 키는 지정한 주소에서만 쓸 수 있습니다. 도난당한 키는 대부분 다른 곳에서 쓰였습니다."}},
	"apikey_withdraw": {400, "botkeys", text{"This key can never withdraw", "이 키로는 출금할 수 없습니다"},
		text{"Withdrawing takes an Ed25519 key of your own account with addresses: not one of a sub-account, not one of a partner.", "출금하려면 주소가 지정된 본인 계정의 Ed25519 키여야 하며, 하위 계정이나 제휴사의 키는 안 됩니다."}},
	"apikey_limits": {400, "botkeys", text{"This end or limit cannot be set", "설정할 수 없는 기한이나 한도입니다"},
		text{"A key lives an hour to 366 days; its window is 1 to 60 seconds, its speed 1 to 60,000 calls a minute.", "키의 수명은 1시간에서 366일, 시간 창은 1~60초, 속도는 분당 1~60,000회입니다."}},
	"apikey_too_many": {409, "botkeys", text{"There are as many keys as there can be", "키를 더 만들 수 없습니다"},
		text{"End one that you do not use.", "쓰지 않는 키를 종료해 주세요."}},
	"apikey_changed": {409, "botkeys", text{"The key has changed meanwhile", "그사이 키가 바뀌었습니다"},
		text{"Load it again and repeat what you wanted. Nothing was changed now.", "다시 불러와 원하는 작업을 반복해 주세요. 지금은 바뀐 것이 없습니다."}},
	"apikey_second_device": {403, "botkeys", text{"This takes another device", "다른 기기가 필요합니다"},
		text{"The device that gave a key this right cannot unlock it, and neither can one that was met today. Sign in on another one of yours and unlock it there.", "이 권한을 준 기기와 오늘 처음 쓴 기기에서는 잠금을 풀 수 없습니다. 본인의 다른 기기에서 로그인해 풀어 주세요."}},
	"apikey_held": {409, "botkeys", text{"New power has to wait", "새 권한은 기다려야 합니다"},
		text{"The account is frozen, restricted, or holds new keys for a while. Taking power away is always possible.", "계정이 동결되었거나 제한되었거나 새 키를 잠시 막고 있습니다. 권한을 줄이는 것은 언제나 가능합니다."}},
	"apikey_sub": {409, "botkeys", text{"There is no such open sub-account", "열려 있는 하위 계정이 아닙니다"},
		text{"A key belongs to the account itself or to a sub-account of it that is open and not frozen.", "키는 계정 자체나, 열려 있고 동결되지 않은 하위 계정에만 만들 수 있습니다."}},
	"apikey_day_cap": {400, "botkeys", text{"This is no cap for a day", "하루 한도로 쓸 수 없는 값입니다"},
		text{"A plain number up to 1,000,000,000,000 with at most six decimals, and the currency in capital letters. No cap takes neither.", "소수점 여섯 자리까지, 1,000,000,000,000 이하의 숫자와 대문자 통화를 적어 주세요. 한도가 없으면 둘 다 비워 주세요."}},
	"sub_unknown": {404, "botkeys", text{"There is no such sub-account here", "이런 하위 계정이 없습니다"},
		text{"Load the list again.", "목록을 다시 불러와 주세요."}},
	"sub_form": {400, "botkeys", text{"This sub-account cannot be made so", "이렇게는 하위 계정을 만들 수 없습니다"},
		text{"A name of 1 to 64 characters in one line, a rule for transfers (none, to_main or both), at most 30 keys and 60,000 calls a minute.", "이름은 한 줄로 1~64자, 이체 규칙은 none, to_main, both 중 하나, 키는 30개, 호출은 분당 60,000회까지입니다."}},
	"sub_too_many": {409, "botkeys", text{"This sub-account cannot be added", "하위 계정을 더할 수 없습니다"},
		text{"There are twenty open ones, or one that is open has this name. Close one, or take another name.", "열려 있는 하위 계정이 20개이거나 같은 이름이 있습니다. 하나를 닫거나 다른 이름을 써 주세요."}},
	"sub_changed": {409, "botkeys", text{"The sub-account has changed meanwhile", "그사이 하위 계정이 바뀌었습니다"},
		text{"Or it has this state already, or another open one has this name. Load it again. Nothing was changed now.", "이미 그 상태이거나 같은 이름이 있을 수도 있습니다. 다시 불러와 주세요. 지금은 바뀐 것이 없습니다."}},
	"apikey_taken": {409, "botkeys", text{"There is a key of this name", "같은 이름의 키가 있습니다"},
		text{"A key that is brought in keeps its id, and this one is taken. Nothing was changed.", "가져온 키는 원래 ID를 유지하는데, 이미 쓰이고 있는 ID입니다. 바뀐 것은 없습니다."}},
	"apikey_leaked": {409, "botkeys", text{"Its secret is known to others", "비밀 값이 남에게 알려진 키입니다"},
		text{"Somebody showed that they have the secret of this key, so it never gets its power back. Make a new key and end this one.", "이 키의 비밀 값을 다른 사람이 가지고 있는 것이 확인되어 다시 쓸 수 없습니다. 새 키를 만들고 이 키를 종료해 주세요."}},
	"apikey_replacing": {409, "botkeys", text{"It is being replaced already", "이미 교체하는 중입니다"},
		text{"Two versions of a key work at most. End the old one, or go back to it, and then begin again.", "키는 최대 두 버전까지 함께 쓸 수 있습니다. 이전 버전을 종료하거나 되돌린 뒤 다시 시작해 주세요."}},
	"apikey_not_replacing": {409, "botkeys", text{"Nothing is being replaced", "교체하는 중이 아닙니다"},
		text{"One version of this key works, and it is the newest. Load the page again to see how it stands.", "이 키는 최신 버전 하나만 쓰이고 있습니다. 화면을 다시 불러와 상태를 확인해 주세요."}},
	"apikey_still_used": {409, "botkeys", text{"The old version is still needed", "이전 버전이 아직 필요합니다"},
		text{"It was used in the last ten minutes, or the new one was not used yet. Ended now, what uses it would stop. Switch that over, or say that you mean it.", "최근 10분 안에 쓰였거나 새 버전이 아직 쓰이지 않았습니다. 지금 종료하면 그것을 쓰는 프로그램이 멈춥니다. 먼저 옮기거나, 그래도 종료한다고 알려 주세요."}},
	"apikey_unrehearsed": {409, "botkeys", text{"This was not rehearsed", "연습하지 않았습니다"},
		text{"Before a key is replaced for the first time, try it with a test key of the same shape, or say that you go on without.", "처음 교체하기 전에 같은 모양의 테스트 키로 연습하거나, 연습 없이 진행한다고 알려 주세요."}},
	"apikey_suspected": {409, "botkeys", text{"This key may have leaked", "유출됐을 수 있는 키입니다"},
		text{"Replace it as leaked: the old version then ends at once. Or say first that it is still yours.", "유출로 교체하면 이전 버전이 바로 종료됩니다. 아니면 여전히 본인 것임을 먼저 알려 주세요."}},
	"apikey_owner_rotates": {403, "botkeys", text{"Its owner replaces this key", "이 키는 소유자가 교체합니다"},
		text{"A bot replaces its own key only where the key signs as keyward-v1, has the right for it, moves no money, and its time is not over.", "봇은 keyward-v1으로 서명하고 그 권한이 있으며 자금을 옮기지 않고 기한이 남은 키만 스스로 교체할 수 있습니다."}},
	"apikey_rotate_proof": {400, "botkeys", text{"The new key did not sign for it", "새 키의 서명이 맞지 않습니다"},
		text{"The new private key signs a text with the API's name, this key's id, the version and the new public key. See docs/rotation.md.", "새 개인 키로 API 이름, 키 ID, 버전, 새 공개 키가 담긴 글에 서명해야 합니다. docs/rotation.md를 참고해 주세요."}},
	"tail_gone": {410, "apps", text{"This place in the log is not known", "로그에서 알 수 없는 위치입니다"},
		text{"The follower begins anew, without after and lease. What it remembers stays refused.", "after와 lease 없이 처음부터 다시 시작합니다. 이미 기억한 종료는 그대로 유지됩니다."}},
	"grant_ended": {404, "apps", text{"This access has ended", "이미 끝난 접근 권한입니다"},
		text{"The app has no access any more. Nothing else has to be done.", "그 앱에는 더 이상 접근 권한이 없습니다. 더 할 일은 없습니다."}},
	"grant_wider": {409, "apps", text{"An app can only be given less here", "여기서는 권한을 줄이기만 할 수 있습니다"},
		text{"The list names something the app does not have, or does not have any more. Load the page again. Nothing was changed.", "앱에 없거나 이미 없앤 권한이 목록에 있습니다. 페이지를 다시 불러와 주세요. 바뀐 것은 없습니다."}},
	"grant_empty": {409, "apps", text{"Nothing would be left", "남는 권한이 없습니다"},
		text{"An app without any right is one to disconnect. Nothing was changed.", "권한이 하나도 없다면 앱의 연결을 끊어 주세요. 바뀐 것은 없습니다."}},
	"oauth_refused": {400, "apps", text{"The app's request was refused", "앱의 요청을 거부했습니다"},
		text{"The answer says why, in the words of the standard it follows (RFC 6749 §5.2).", "이유는 표준(RFC 6749 §5.2)의 용어로 응답에 적혀 있습니다."}},
	"idempotency_key_missing": {400, "idempotency", text{"The request needs an Idempotency-Key", "Idempotency-Key가 필요합니다"},
		text{"Send the header \"Idempotency-Key\" with a value of your own that is new for each act, so that a retry cannot act twice.", "재시도로 두 번 실행되지 않도록 작업마다 새로운 값을 \"Idempotency-Key\" 헤더로 보내 주세요."}},
	"idempotency_body_differs": {422, "idempotency", text{"This Idempotency-Key belongs to another request", "다른 요청에 쓴 Idempotency-Key입니다"},
		text{"The key was used with another body. Use a new key for a new act; nothing was done.", "같은 키를 다른 본문과 함께 사용했습니다. 새 작업에는 새 키를 쓰세요. 아무것도 하지 않았습니다."}},
	"idempotency_in_progress": {409, "idempotency", text{"The first request is still running", "첫 요청이 아직 처리 중입니다"},
		text{"The same request is being carried out. Ask again in a moment with the same key to get its answer.", "같은 요청을 처리하고 있습니다. 잠시 뒤 같은 키로 다시 보내면 결과를 받을 수 있습니다."}},
}

// Code is one row for pages and documents that list all errors.
type Code struct {
	Code, Anchor  string
	Status        int
	Title, Detail string
}

// Codes lists the table in the given language ("en", "ko"), sorted by code.
func Codes(lang string) []Code {
	all := make([]Code, 0, len(table))
	for _, code := range slices.Sorted(maps.Keys(table)) {
		r := table[code]
		all = append(all, Code{Code: code, Anchor: r.docsAnchor(code), Status: r.status, Title: r.title.in(lang), Detail: r.detail.in(lang)})
	}
	return all
}

func (r row) docsAnchor(code string) string {
	if r.anchor == "" {
		return code
	}
	return r.anchor
}

// retryable statuses always say when, so that clients do not guess.
func retryable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}
