// Not compiled here: it needs Xcode. iOS 15 and later, Swift 5 language mode.
import Foundation

/// What a refusal asks of the app (docs/mobile.md). The same words as in ../android/Refused.kt, where each is explained.
enum Then {
    case proveAgain, lost, refresh, readStore // the client does these by itself
    case signIn, touch, beginAgain, notAccepted, removed, frozen, wait, show
}

/// An answer that is not a yes (RFC 9457). Apps decide by `code` and `then`, never by the text.
struct Refused: Error {
    var status: Int
    var code: String
    var then: Then
    var detail = ""
    var requestID = ""
    var purpose: Act?
    var waitSeconds = 1

    private static let byCode: [String: Then] = [
        "use_dpop_nonce": .proveAgain, "proof_invalid": .proveAgain, "proof_missing": .proveAgain,
        "proof_replayed": .lost,
        "access_expired": .refresh,
        "refresh_superseded": .readStore,
        "refresh_invalid": .signIn, "refresh_reused": .signIn, "refresh_wrong_key": .signIn, "session_ended": .signIn, "not_signed_in": .signIn,
        "step_up_required": .touch,
        "key_too_new": .show, "key_grade_low": .show,
        "passkey_not_accepted": .notAccepted,
        "key_unknown": .removed,
        "challenge_expired": .beginAgain, "challenge_spent": .beginAgain,
        "account_frozen": .frozen,
        "rate_limited": .wait,
    ]

    static let signedOut = Refused(status: 401, code: "not_signed_in", then: .signIn)

    init(status: Int, code: String, then: Then) {
        (self.status, self.code, self.then) = (status, code, then)
    }

    init(path: String, response: HTTPURLResponse, body: Data) {
        let problem = (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:] // none: something on the way spoke
        status = response.statusCode
        code = problem["code"] as? String ?? "http_\(status)"
        then = Self.byCode[code] ?? (status >= 500 ? .wait : .show)
        if then == .removed && path != "/sign-in/finish" { then = .show } // elsewhere it speaks of the key in the path
        detail = problem["detail"] as? String ?? ""
        requestID = problem["request_id"] as? String ?? ""
        if let p = problem["purpose"] as? [String: Any], let act = p["act"] as? String { purpose = Act(kind: act, object: p["object"] as? String ?? "") }
        waitSeconds = min(max(Int(response.value(forHTTPHeaderField: "Retry-After") ?? "") ?? 1, 1), 3600)
    }

    func but(_ then: Then) -> Refused {
        var other = self
        other.then = then
        return other
    }
}
