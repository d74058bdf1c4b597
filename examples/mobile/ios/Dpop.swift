// Not compiled here: it needs Xcode. iOS 15 and later, Swift 5 language mode.
import CryptoKit
import Foundation

/// The proof that each request carries (RFC 9449 §4.2). Made anew for each sending: the server takes none twice.
enum Dpop {
    static func proof(_ k: PhoneKeys, method: String, url: String, access: String?, nonce: String?, now: Int) throws -> String {
        var random = SystemRandomNumberGenerator()
        let jti = Data((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        var claims: [String: Any] = ["jti": Jws.encode(jti), "htm": method, "htu": String(url.prefix { $0 != "?" }), "iat": now]
        if let access { claims["ath"] = Jws.encode(Data(SHA256.hash(data: Data(access.utf8)))) }
        if let nonce { claims["nonce"] = nonce }
        return try Jws.sign(header: ["typ": "dpop+jwt", "alg": "ES256", "jwk": Jws.jwk(k.sessionPublic)], claims: claims) {
            try k.session.signature(for: $0).rawRepresentation
        }
    }
}
