// Not compiled here: it needs Xcode. iOS 15 and later, Swift 5 language mode.
import CryptoKit
import Foundation

/// Compact JWS by ES256 (RFC 7515, RFC 7518 §3.4), which is all that a phone signs.
enum Jws {
    static func sign(header: [String: Any], claims: [String: Any], by signer: (Data) throws -> Data) throws -> String {
        let text = try encode(json(header)) + "." + encode(json(claims))
        return text + "." + encode(try signer(Data(text.utf8)))
    }

    static func jwk(_ key: P256.Signing.PublicKey) -> [String: Any] {
        let point = key.rawRepresentation // x ‖ y
        return ["kty": "EC", "crv": "P-256", "x": encode(point.prefix(32)), "y": encode(point.suffix(32))]
    }

    /// RFC 7638 §3: these members, in this order, without a space.
    static func thumbprint(_ key: P256.Signing.PublicKey) -> Data {
        let point = key.rawRepresentation
        return Data(SHA256.hash(data: Data(#"{"crv":"P-256","kty":"EC","x":"\#(encode(point.prefix(32)))","y":"\#(encode(point.suffix(32)))"}"#.utf8)))
    }

    static func json(_ v: Any) throws -> Data { try JSONSerialization.data(withJSONObject: v, options: [.sortedKeys, .withoutEscapingSlashes]) }

    static func encode<D: DataProtocol>(_ d: D) -> String {
        Data(d).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    static func decode(_ s: String) throws -> Data {
        var b = s.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        b += String(repeating: "=", count: (4 - b.count % 4) % 4)
        guard let d = Data(base64Encoded: b) else { throw CocoaError(.coderInvalidValue) }
        return d
    }
}

/// What the touch key signs (docs/mobile.md, "Statements").
enum Statement {
    static func sign(_ k: PhoneKeys, rpID: String, challenge: String, act: Act, shown: String) throws -> String {
        try Jws.sign(
            header: ["alg": "ES256", "typ": "kw-touch+jwt", "kid": Jws.encode(Jws.thumbprint(k.touchPublic))],
            claims: ["aud": rpID, "session": Jws.encode(Jws.thumbprint(k.sessionPublic)), "challenge": challenge, "act": act.kind, "object": act.object]
        ) { try k.touch($0, text: shown) }
    }

    /// What the session key signs at enrolment: that it is there, and which touch key it goes with.
    static func beside(_ k: PhoneKeys, rpID: String, challenge: String) throws -> String {
        try Jws.sign(
            header: ["alg": "ES256", "typ": "kw-session+jwt", "kid": Jws.encode(Jws.thumbprint(k.sessionPublic))],
            claims: ["aud": rpID, "challenge": challenge, "touch": Jws.encode(Jws.thumbprint(k.touchPublic))]
        ) { try k.session.signature(for: $0).rawRepresentation }
    }

    /// The answer to creation options.
    static func enrolment(_ k: PhoneKeys, statement: String, beside: String, attestation: Data) throws -> [String: Any] {
        guard let id = Data(base64Encoded: k.appKeyID) else { throw CocoaError(.coderInvalidValue) }
        return ["type": "phone", "platform": "ios", "touch_key": Jws.jwk(k.touchPublic), "session_key": Jws.jwk(k.sessionPublic),
                "statement": statement, "session_statement": beside, "app_key_id": Jws.encode(id), "app_attestation": Jws.encode(attestation)]
    }

    /// The answer to request options.
    static func touch(_ k: PhoneKeys, statement: String, assertion: Data) -> [String: Any] {
        ["type": "phone", "id": Jws.encode(Jws.thumbprint(k.touchPublic)), "statement": statement, "app_assertion": Jws.encode(assertion)]
    }
}
