// Not compiled here: it needs Xcode. iOS 15 and later, Swift 5 language mode.
import Foundation

/// The tokens of the session. Their text is a secret and belongs in no log.
struct Tokens: Codable { var access, refresh: String }

/// Replaces both at once; until `write` returns, `read` gives the old ones (../android/Store.kt says why).
final class Store {
    private let file: URL

    /// `folder` is one that no backup takes: elsewhere the tokens are without their keys.
    init(folder: URL) { file = folder.appendingPathComponent("keyward-tokens") }

    func read() -> Tokens? { (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(Tokens.self, from: $0) } }
    func write(_ t: Tokens) throws { try Disk.write(JSONEncoder().encode(t), to: file) }
    func clear() { try? FileManager.default.removeItem(at: file) }
}

/// What an app and Keyward say to each other (docs/mobile.md), in the shape of ../android/Client.kt. Refusals are
/// `Refused`; any other error of the network means that there was no answer.
actor Client {
    private let base, rpID: String
    private let keys: Keys
    private let store: Store
    private let words: (Act) -> String // what the person reads before a touch
    private let network: URLSession
    private var nonce: String?
    private var skew = 0 // seconds that the phone's clock is behind the server's
    private var turn: Task<Void, Never>? // whatever brings new tokens waits for the one before

    init(base: String, rpID: String, keys: Keys, store: Store, words: @escaping (Act) -> String) {
        (self.base, self.rpID, self.keys, self.store, self.words) = (base, rpID, keys, store, words)
        let c = URLSessionConfiguration.ephemeral // nothing of it on the disk
        c.httpShouldSetCookies = false
        c.requestCachePolicy = .reloadIgnoringLocalCacheData
        network = URLSession(configuration: c, delegate: NoRedirect(), delegateQueue: nil)
    }

    /// Makes an account whose first keys are new ones of this phone, and signs in.
    func signUp(mail: String) async throws {
        let begun = try object(await send("POST", "/sign-up", ["mail": mail]))
        let (fresh, credential) = try await made(object(begun["options"]))
        try keys.keep(fresh) // before it is sent: if the answer is lost, the account has these keys
        let finish: [String: Any] = ["ticket": try text(begun["ticket"]), "credential": credential]
        do {
            try await inTurn { try await self.keep(self.twice { try await self.send("POST", "/sign-up/finish", finish, by: fresh) }) }
        } catch let e as Refused where e.code == "challenge_spent" {
            try await signIn() // it was taken, and the answer was lost
        }
    }

    /// Answers request options with a passkey of the system instead of the phone's own touch key.
    typealias Passkey = ([String: Any]) async throws -> [String: Any]

    /// Signs in, with `remember` for as long as the operator lets remembered devices in. Ends whatever session the phone had.
    func signIn(by passkey: Passkey? = nil, remember: Bool = false) async throws {
        // A phone that comes in by a passkey has no keys yet. The session needs one until enrol makes those that stay.
        if keys.current == nil { try keys.keep(await keys.make()) }
        guard let own = keys.current else { throw CocoaError(.fileReadUnknown) }
        let options = try object(object(await send("POST", "/sign-in"))["options"])
        let finish: [String: Any] = ["credential": try await answer(own, options, .signIn, passkey), "remember": remember]
        try await inTurn { try await self.keep(self.twice { try await self.send("POST", "/sign-in/finish", finish, by: own) }) }
    }

    /// A touch for one act, good once and for five minutes in this session. If the answer is lost, so is the session.
    func stepUp(_ act: Act, by passkey: Passkey? = nil) async throws {
        guard let own = keys.current else { throw Refused.signedOut }
        var named: [String: Any] = ["act": act.kind]
        if act.object != "" { named["object"] = act.object }
        let options = try object(object(await call("POST", "/step-up", named))["options"])
        named["credential"] = try await answer(own, options, act, passkey)
        let finish = named
        try await inTurn { try await self.keep(self.twice { try await self.call("POST", "/step-up/finish", finish, inTurn: true) }) }
    }

    /// Gives this phone new keys, in a session that some key of the account opened and stepped up for `Act.addKeys`.
    func enrol(name: String) async throws {
        let (fresh, credential) = try await made(object(object(await call("POST", "/passkeys"))["options"]))
        var sent = 0
        do {
            _ = try await twice {
                sent += 1
                return try await self.call("POST", "/passkeys/finish", ["credential": credential, "name": name])
            }
        } catch let e as Refused where sent == 2 && e.then == .touch {} // the touch was used: the keys are there
        // This session is another entry in the owner's list than the phone with its new keys.
        _ = try? await call("DELETE", "/session") // it ends by itself otherwise
        try keys.keep(fresh)
        try await signIn()
    }

    /// Any request of the account holder. Refreshes where the access token is over.
    func call(_ method: String, _ path: String, _ body: [String: Any]? = nil, inTurn turned: Bool = false) async throws -> Any? {
        guard let held = store.read(), let own = keys.current else { throw Refused.signedOut }
        let next: Tokens
        do {
            return try await send(method, path, body, by: own, access: held.access)
        } catch let e as Refused where e.then == .refresh {
            next = turned ? try await turnOver(held) : try await refresh(held)
        } catch let e as Refused where e.then == .signIn {
            next = try newer(held, e)
        }
        return try await send(method, path, body, by: own, access: next.access)
    }

    /// Turns the refresh token over. The same token is sent again until the child is written.
    @discardableResult
    func refresh(_ held: Tokens? = nil) async throws -> Tokens { try await inTurn { try await self.turnOver(held) } }

    private func turnOver(_ held: Tokens?) async throws -> Tokens {
        guard let now = store.read(), let own = keys.current else { throw Refused.signedOut }
        if let held, held.refresh != now.refresh { return now } // another task was faster
        for wait in [1, 2, 4, 8, 0] as [UInt64] {
            do {
                return try keep(await send("POST", "/session/refresh", ["refresh_token": now.refresh], by: own))
            } catch let e as Refused where e.then == .signIn || e.then == .readStore {
                return try newer(now, e)
            } catch where wait > 0 && unanswered(error) {
                try await Task.sleep(nanoseconds: wait * 1_000_000_000)
            }
        }
        throw URLError(.timedOut) // not reached: the last try throws what it met
    }

    /// The tokens that stand where `held` stood, or none: then there is nothing to go on with.
    private func newer(_ held: Tokens, _ refused: Refused) throws -> Tokens {
        if let now = store.read(), now.refresh != held.refresh { return now }
        store.clear()
        throw refused.but(.signIn)
    }

    /// What is signed is what `words` showed, and for no other server.
    private func answer(_ own: PhoneKeys, _ options: [String: Any], _ act: Act, _ passkey: Passkey?) async throws -> [String: Any] {
        if let passkey { return try await passkey(options) }
        let challenge = try text(options["challenge"])
        let statement = try await signed(own, rp: text(options["rpId"]), challenge, act)
        return Statement.touch(own, statement: statement, assertion: try await keys.assert(own, challenge: Jws.decode(challenge)))
    }

    private func made(_ options: [String: Any]) async throws -> (PhoneKeys, [String: Any]) {
        let challenge = try text(options["challenge"])
        let fresh = try await keys.make()
        let rp = try text(object(options["rp"])["id"])
        let statement = try await signed(fresh, rp: rp, challenge, .addKeys)
        let beside = try Statement.beside(fresh, rpID: rp, challenge: challenge)
        return (fresh, try Statement.enrolment(fresh, statement: statement, beside: beside, attestation: await keys.attest(fresh, challenge: Jws.decode(challenge))))
    }

    private func signed(_ own: PhoneKeys, rp: String, _ challenge: String, _ act: Act) async throws -> String {
        guard rp == rpID else { throw URLError(.userAuthenticationRequired) }
        let shown = words(act)
        return try await Task.detached { try Statement.sign(own, rpID: rp, challenge: challenge, act: act, shown: shown) }.value
    }

    @discardableResult
    private func keep(_ answer: Any?) throws -> Tokens {
        let t = Tokens(access: try text(object(answer)["access_token"]), refresh: try text(object(answer)["refresh_token"]))
        try store.write(t)
        return t
    }

    /// Sends a touch, and once more if there was no answer. If the first arrived it is spent, and is not even accepted,
    /// because the App Attest key counts: that says nothing of the keys then.
    private func twice(_ f: () async throws -> Any?) async throws -> Any? {
        do { return try await f() } catch where unanswered(error) {}
        try await Task.sleep(nanoseconds: 1_000_000_000)
        do { return try await f() } catch let e as Refused where e.then == .notAccepted { throw e.but(.beginAgain) }
    }

    private nonisolated func unanswered(_ e: Error) -> Bool {
        if let r = e as? Refused { return r.status >= 500 || r.then == .lost }
        return (e as? URLError).map { $0.code != .cancelled } ?? false
    }

    /// One after the other. What runs in it must not ask for a turn again: `call` takes `inTurn` for that.
    @discardableResult
    private func inTurn<T>(_ f: @escaping () async throws -> T) async throws -> T {
        let before = turn
        let mine = Task { () async throws -> T in
            await before?.value
            return try await f()
        }
        turn = Task { _ = try? await mine.value }
        return try await mine.value
    }

    /// One request, with a proof by `by`. Sends again by itself only what was refused because of the proof, and so not done.
    private func send(_ method: String, _ path: String, _ body: [String: Any]? = nil, by own: PhoneKeys? = nil, access: String? = nil) async throws -> Any? {
        let url = base + "/api/v1" + path
        var already = 0
        while true {
            var q = URLRequest(url: URL(string: url)!)
            q.httpMethod = method
            if let body {
                q.httpBody = try Jws.json(body)
                q.setValue("application/json", forHTTPHeaderField: "Content-Type")
            }
            if let access { q.setValue("DPoP " + access, forHTTPHeaderField: "Authorization") }
            if let own {
                let now = Int(Date().timeIntervalSince1970) + skew
                q.setValue(try Dpop.proof(own, method: method, url: url, access: access, nonce: nonce, now: now), forHTTPHeaderField: "DPoP")
            }
            let (data, raw) = try await network.data(for: q)
            guard let r = raw as? HTTPURLResponse else { throw URLError(.badServerResponse) }
            nonce = r.value(forHTTPHeaderField: "DPoP-Nonce") ?? nonce
            if 200..<300 ~= r.statusCode { return data.isEmpty ? nil : try JSONSerialization.jsonObject(with: data) }
            let refused = Refused(path: path, response: r, body: data)
            if refused.then == .proveAgain && already < 2 {
                already += 1
                if refused.code == "proof_invalid" { skew = skewOf(r) }
                continue
            }
            if refused.then == .removed {
                store.clear()
                keys.delete()
            }
            throw refused
        }
    }

    /// Phones have wrong clocks. The server's is good enough: TLS says whose it is, and it decides when a proof is over.
    private nonisolated func skewOf(_ r: HTTPURLResponse) -> Int {
        let f = DateFormatter()
        f.locale = Locale(identifier: "en_US_POSIX")
        f.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        guard let date = r.value(forHTTPHeaderField: "Date").flatMap(f.date(from:)) else { return 0 }
        return Int(date.timeIntervalSinceNow.rounded())
    }

    private nonisolated func object(_ v: Any?) throws -> [String: Any] {
        guard let o = v as? [String: Any] else { throw CocoaError(.propertyListReadCorrupt) }
        return o
    }

    private nonisolated func text(_ v: Any?) throws -> String {
        guard let s = v as? String else { throw CocoaError(.propertyListReadCorrupt) }
        return s
    }
}

/// A proof is for one address.
private final class NoRedirect: NSObject, URLSessionTaskDelegate {
    func urlSession(_: URLSession, task _: URLSessionTask, willPerformHTTPRedirection _: HTTPURLResponse, newRequest _: URLRequest) async -> URLRequest? { nil }
}
