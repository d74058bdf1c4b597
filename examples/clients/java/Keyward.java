import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Locale;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A bot that signs its requests with the native profile keyward-v1. One file for Java 17 and later, to be copied:
 * {@code java Keyward.java whoami}.
 */
public final class Keyward {
    private static final String USAGE = """
        usage: Keyward time | whoami | balance [ASSET] | order SYMBOL buy|sell QUANTITY PRICE | cancel ORDER_ID

          KEYWARD_API               base URL, such as https://api.example.com
          KEYWARD_KEY_ID            the key's id, kwk_live_...
          KEYWARD_PRIVATE_KEY_FILE  Ed25519 private key, PEM PKCS#8, or
          KEYWARD_SECRET            the secret of an HMAC key, kws_live_...
          KEYWARD_AUTHORITY         public name of the API, if not the host of the base URL
        """;

    private interface Signer {
        byte[] sign(byte[] text) throws GeneralSecurityException;
    }

    private final String api;
    private final String authority;
    private final String keyId = env("KEYWARD_KEY_ID");
    private String alg;
    private Signer signer; // null without a key

    // A signature is for one place: HttpClient follows no redirect unless told to.
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] args) {
        try {
            HttpResponse<byte[]> answer = new Keyward().run(args);
            if (answer == null) {
                System.err.print(USAGE);
                System.exit(2);
            }
            System.out.write(answer.body());
            System.out.flush();
            if (answer.statusCode() / 100 != 2) {
                throw new IOException("status " + answer.statusCode());
            }
        } catch (IOException | GeneralSecurityException | InterruptedException | IllegalArgumentException e) {
            System.err.println("keyward: " + e.getMessage());
            System.exit(1);
        }
    }

    private Keyward() throws IOException, GeneralSecurityException {
        api = env("KEYWARD_API").replaceAll("/+$", "");
        URI base = URI.create(api);
        if (base.getHost() == null || base.getRawQuery() != null) {
            throw new IllegalArgumentException("KEYWARD_API is not a base URL");
        }
        // RFC 9421 §2.2.3: in lower case, without the port that the scheme has anyway.
        boolean usual = base.getPort() < 0 || base.getPort() == (base.getScheme().equals("https") ? 443 : 80);
        String host = base.getHost().toLowerCase(Locale.ROOT) + (usual ? "" : ":" + base.getPort());
        authority = env("KEYWARD_AUTHORITY").isEmpty() ? host : env("KEYWARD_AUTHORITY");

        String file = env("KEYWARD_PRIVATE_KEY_FILE");
        String secret = env("KEYWARD_SECRET");
        if (!file.isEmpty() && !secret.isEmpty()) {
            throw new IllegalArgumentException("KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are both set");
        }
        if (!file.isEmpty()) {
            String pem = Files.readString(Path.of(file)).replaceAll("-----(BEGIN|END) PRIVATE KEY-----", "");
            PrivateKey key = KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
            alg = "ed25519";
            signer = text -> {
                Signature s = Signature.getInstance("Ed25519");
                s.initSign(key);
                s.update(text);
                return s.sign();
            };
        } else if (!secret.isEmpty()) {
            SecretKeySpec key = new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"); // the text itself is the key
            alg = "hmac-sha256";
            signer = text -> {
                Mac mac = Mac.getInstance("HmacSHA256");
                mac.init(key);
                return mac.doFinal(text);
            };
        }
    }

    private static String env(String name) {
        String value = System.getenv(name);
        return value == null ? "" : value;
    }

    /** Null when there is no such command. */
    private HttpResponse<byte[]> run(String[] args) throws IOException, GeneralSecurityException, InterruptedException {
        String command = args.length == 0 || args[args.length - 1].isEmpty() ? "" : args[0] + " " + (args.length - 1);
        return switch (command) {
            case "time 0" -> send("GET", "/v1/time", "", "", false); // works without a key, and with a wrong clock
            case "whoami 0" -> send("GET", "/v1/whoami", "", "", true);
            case "balance 0" -> send("GET", "/v1/balance", "", "", true);
            case "balance 1" -> send("GET", "/v1/balance", "asset=" + encode(args[1]), "", true);
            case "order 4" -> placeOrder(args[1], args[2], args[3], args[4]);
            case "cancel 1" -> send("DELETE", "/v1/orders/" + encode(args[1]), "", "", true);
            default -> null;
        };
    }

    /** Amounts are texts. As numbers they would be rounded on the way. */
    private HttpResponse<byte[]> placeOrder(String symbol, String side, String quantity, String price)
            throws IOException, GeneralSecurityException, InterruptedException {
        return send("POST", "/v1/orders", "", "{\"symbol\":" + json(symbol) + ",\"side\":" + json(side) + ",\"quantity\":" + json(quantity)
            + ",\"price\":" + json(price) + "}", true);
    }

    private HttpResponse<byte[]> send(String method, String path, String query, String body, boolean signed)
            throws IOException, GeneralSecurityException, InterruptedException {
        URI to = URI.create(api + path + (query.isEmpty() ? "" : "?" + query));
        HttpRequest.Builder request = HttpRequest.newBuilder(to).timeout(Duration.ofSeconds(10))
            .method(method, body.isEmpty() ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
        if (!body.isEmpty()) {
            request.header("Content-Type", "application/json");
        }
        if (signed) {
            sign(request, method, to.getRawPath(), query, body);
        }
        return client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    /** keyward-v1: RFC 9421 with one label, one list of components and one order of parameters. */
    private void sign(HttpRequest.Builder request, String method, String path, String query, String body) throws GeneralSecurityException {
        if (signer == null || keyId.isEmpty()) {
            throw new IllegalArgumentException("KEYWARD_KEY_ID and one of KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are needed");
        }
        Base64.Encoder base64 = Base64.getEncoder();
        String names = "\"@method\" \"@authority\" \"@path\" \"@query\"";
        String text = "\"@method\": " + method + "\n\"@authority\": " + authority + "\n\"@path\": " + path + "\n\"@query\": ?" + query + "\n";
        if (!body.isEmpty()) {
            byte[] sum = MessageDigest.getInstance("SHA-256").digest(body.getBytes(StandardCharsets.UTF_8));
            String digest = "sha-256=:" + base64.encodeToString(sum) + ":"; // RFC 9530
            request.header("Content-Digest", digest);
            names += " \"content-type\" \"content-digest\"";
            text += "\"content-type\": application/json\n\"content-digest\": " + digest + "\n";
        }
        byte[] nonce = new byte[16];
        new SecureRandom().nextBytes(nonce);
        long created = Instant.now().getEpochSecond();
        String params = "(" + names + ");created=" + created + ";expires=" + (created + 5) + ";nonce=\""
            + Base64.getUrlEncoder().withoutPadding().encodeToString(nonce) + "\";alg=\"" + alg + "\";keyid=\"" + keyId + "\";tag=\"keyward-v1\"";
        text += "\"@signature-params\": " + params;
        request.header("Signature-Input", "sig1=" + params);
        request.header("Signature", "sig1=:" + base64.encodeToString(signer.sign(text.getBytes(StandardCharsets.UTF_8))) + ":");
    }

    private static String encode(String s) {
        return URLEncoder.encode(s, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static String json(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\' || c < ' ') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }
}
