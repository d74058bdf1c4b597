// Not compiled here: it needs Xcode. iOS 15 and later, Swift 5 language mode.
import CryptoKit
import DeviceCheck
import Foundation
import LocalAuthentication

/// An act as the server names it. It stands in what is signed, and was before the person's eyes.
struct Act: Equatable {
    var kind: String
    var object = ""

    static let signIn = Act(kind: "sign-in")
    static let addKeys = Act(kind: "keys.add")
}

/// The keys of one enrolment: the session key signs without asking and can do nothing alone, the touch key asks for a
/// face, a finger or the code of the phone each time, and the App Attest key vouches for both.
struct PhoneKeys {
    fileprivate(set) var session: SecureEnclave.P256.Signing.PrivateKey
    fileprivate var touchBlob: Data
    let touchPublic: P256.Signing.PublicKey
    let appKeyID: String // base64, as App Attest gives it

    var sessionPublic: P256.Signing.PublicKey { session.publicKey }

    /// Waits for the person, who reads `text`. Blocks: call it off the main thread.
    func touch(_ data: Data, text: String) throws -> Data {
        let context = LAContext()
        context.localizedReason = text
        context.touchIDAuthenticationAllowableReuseDuration = 0 // each use anew, also right after the phone was unlocked
        let key = try SecureEnclave.P256.Signing.PrivateKey(dataRepresentation: touchBlob, authenticationContext: context)
        return try key.signature(for: data).rawRepresentation // r ‖ s, as JWS wants it
    }

    /// What the App Attest key signs over, at enrolment and with each touch: SHA-256(challenge ‖ session ‖ touch).
    func vouched(challenge: Data) -> Data {
        Data(SHA256.hash(data: challenge + Jws.thumbprint(sessionPublic) + Jws.thumbprint(touchPublic)))
    }
}

/// Where the keys live. What stands in the file are blobs that only the Secure Enclave of this phone opens; the file
/// goes with the app when it is deleted, as the App Attest key does. In the keychain they would outlive it.
final class Keys {
    private let file: URL

    /// `folder` is one that no backup takes (isExcludedFromBackup).
    init(folder: URL) { file = folder.appendingPathComponent("keyward-keys") }

    private struct Saved: Codable { var session, touch: Data; var appKeyID: String }

    var current: PhoneKeys? {
        guard let data = try? Data(contentsOf: file), let saved = try? JSONDecoder().decode(Saved.self, from: data) else { return nil }
        return try? open(saved)
    }

    /// Makes all three. What is in use stays in use until `keep`.
    func make() async throws -> PhoneKeys {
        let session = try SecureEnclave.P256.Signing.PrivateKey(accessControl: control(kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly, .privateKeyUsage))
        let touch = try SecureEnclave.P256.Signing.PrivateKey(accessControl: control(kSecAttrAccessibleWhenUnlockedThisDeviceOnly, [.privateKeyUsage, .userPresence]))
        let id = try await DCAppAttestService.shared.generateKey()
        return PhoneKeys(session: session, touchBlob: touch.dataRepresentation, touchPublic: touch.publicKey, appKeyID: id)
    }

    func attest(_ k: PhoneKeys, challenge: Data) async throws -> Data {
        try await DCAppAttestService.shared.attestKey(k.appKeyID, clientDataHash: k.vouched(challenge: challenge))
    }

    func assert(_ k: PhoneKeys, challenge: Data) async throws -> Data {
        try await DCAppAttestService.shared.generateAssertion(k.appKeyID, clientDataHash: k.vouched(challenge: challenge))
    }

    /// Puts these in use. The blobs of others are nowhere then, so their keys are gone.
    func keep(_ k: PhoneKeys) throws {
        let saved = Saved(session: k.session.dataRepresentation, touch: k.touchBlob, appKeyID: k.appKeyID)
        try Disk.write(JSONEncoder().encode(saved), to: file)
    }

    /// The owner removed this phone.
    func delete() { try? FileManager.default.removeItem(at: file) }

    private func open(_ s: Saved) throws -> PhoneKeys {
        let quiet = LAContext()
        quiet.interactionNotAllowed = true // the public half is all that is wanted
        let touch = try SecureEnclave.P256.Signing.PrivateKey(dataRepresentation: s.touch, authenticationContext: quiet)
        return PhoneKeys(session: try .init(dataRepresentation: s.session), touchBlob: s.touch, touchPublic: touch.publicKey, appKeyID: s.appKeyID)
    }

    private func control(_ when: CFString, _ flags: SecAccessControlCreateFlags) throws -> SecAccessControl {
        var error: Unmanaged<CFError>?
        guard let c = SecAccessControlCreateWithFlags(nil, when, flags, &error) else { throw error!.takeRetainedValue() as Error }
        return c
    }
}

enum Disk {
    /// All or nothing, and on the disk when it returns.
    static func write(_ data: Data, to file: URL) throws {
        let next = file.appendingPathExtension("new")
        try data.write(to: next, options: .completeFileProtectionUntilFirstUserAuthentication)
        let handle = try FileHandle(forWritingTo: next)
        try handle.synchronize()
        try handle.close()
        guard rename(next.path, file.path) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
}
