//! Keys that are fetched from their issuer.
//!
//! They are fetched at the start, every few minutes, and when a token names a key that is not among them: an issuer that
//! changes its keys is followed at once. That last one happens at most once in a while, as anyone can make up a token. What
//! was fetched last stays when the issuer does not answer.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::AccessError;
use crate::jwks::{KeySet, KeysAway};
use crate::watched::Named;

const URL: &str = "PANDAPORT_JWT_JWKS_URL";
const CA: &str = "PANDAPORT_JWT_JWKS_CA";
const TOKEN_FILE: &str = "PANDAPORT_JWT_JWKS_TOKEN_FILE";

/// How often keys are fetched that are there.
const EVERY: Duration = Duration::from_secs(300);
/// The same while there are none.
const EVERY_WITHOUT: Duration = Duration::from_secs(5);
/// How long after a fetch the next one may be made for a key that is not known.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(30);
/// How long an issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is taken.
const MAX_BYTES: usize = 1024 * 1024;

/// Where keys are fetched from.
#[derive(Clone, Debug)]
pub struct KeysUrl {
    url: Url,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
}

impl KeysUrl {
    /// `url` must be https, or http on this machine. `ca`: a file with the authorities to trust instead of the system's, PEM.
    /// `token_file`: a token to send along, as a Kubernetes API server asks for; it is read before each fetch.
    ///
    /// # Errors
    /// [`AccessError::Setting`] for a URL that can't be used.
    pub fn new(url: &str, ca: Option<PathBuf>, token_file: Option<PathBuf>) -> Result<Self, AccessError> {
        let refused = |message: &str| Err(AccessError::Setting { setting: URL, message: message.to_owned() });
        let Ok(url) = Url::parse(url) else { return refused("is no URL: write https://<host>/<path>") };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("must not hold a user name or password");
        }
        let is_loopback = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return refused("names no host"),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => {
                return refused("must begin with https://: whoever can change the keys on their way can let anyone in");
            }
        }
        Ok(Self { url, ca, token_file })
    }
}

/// The keys as they were last fetched.
pub(crate) struct Fetched {
    from: KeysUrl,
    client: reqwest::Client,
    current: RwLock<Option<Arc<KeySet>>>,
    /// When a fetch was last tried. Whoever fetches holds it.
    tried: Mutex<Option<Instant>>,
}

impl Fetched {
    pub(crate) fn new(from: KeysUrl) -> Result<Self, AccessError> {
        let mut client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // Where the keys are is for the operator to say, not for whoever answers there.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent("pandaport");
        if from.url.scheme() == "http" {
            // On this machine: what is sent in the clear goes through nobody's proxy.
            client = client.no_proxy();
        }
        if let Some(path) = &from.ca {
            let file = Named::new(CA, path.clone());
            let authorities = reqwest::Certificate::from_pem_bundle(&file.read()?)
                .ok()
                .filter(|it| !it.is_empty())
                .ok_or_else(|| file.wrong("holds no certificate in PEM"))?;
            client = client.tls_certs_only(authorities);
        }
        if let Some(path) = &from.token_file {
            Named::new(TOKEN_FILE, path.clone()).read()?;
        }
        let client = client.build().map_err(|error| AccessError::Setting {
            setting: URL,
            message: format!("keys can't be fetched: {}", innermost(&error)),
        })?;
        Ok(Self { from, client, current: RwLock::new(None), tried: Mutex::new(None) })
    }

    /// Fetches for ever.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        loop {
            let mut tried = self.tried.lock().await;
            self.fetch(&mut tried).await;
            drop(tried);
            let pause = if self.current().is_some() { EVERY } else { EVERY_WITHOUT };
            tokio::time::sleep(pause).await;
        }
    }

    /// See [`crate::jwks::Keys::find`].
    pub(crate) async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, KeysAway> {
        let look = || self.current().map(|keys| keys.find(kid, algorithm));
        if let Some(found) = look().filter(|found| !found.is_empty()) {
            return Ok(found);
        }
        // On a task of its own: a caller that gives up must neither end the fetch nor leave the next one free to begin another.
        let fetching = Arc::clone(self);
        let fetched = tokio::spawn(async move {
            let mut tried = fetching.tried.lock().await;
            let pause = if fetching.current().is_some() { UNKNOWN_KEY_EVERY } else { EVERY_WITHOUT };
            // Who waited behind another's fetch finds what that one found.
            if tried.is_none_or(|at| at.elapsed() >= pause) {
                fetching.fetch(&mut tried).await;
            }
        });
        if fetched.await.is_err() {
            return Err(KeysAway);
        }
        look().ok_or(KeysAway)
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self, tried: &mut Option<Instant>) {
        let fetched = self.ask().await;
        *tried = Some(Instant::now());
        match fetched {
            Ok(keys) => *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys)),
            Err(why) => {
                let kept =
                    if self.current().is_some() { "those fetched before stay in force" } else { "there are none yet" };
                tracing::warn!(url = %self.from.url, "the issuer's keys could not be fetched, {kept}: {why}");
            }
        }
    }

    async fn ask(&self) -> Result<KeySet, String> {
        let mut request = self.client.get(self.from.url.clone()).header(ACCEPT, "application/json");
        if let Some(path) = &self.from.token_file {
            let token = Named::new(TOKEN_FILE, path.clone()).read().map_err(|error| error.to_string())?;
            let token = String::from_utf8_lossy(&token);
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| format!("{TOKEN_FILE}: {} holds no token", path.display()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut answer = request.send().await.map_err(|error| innermost(&error))?;
        if !answer.status().is_success() {
            return Err(format!("the answer was {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| innermost(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err("the answer is larger than 1 MiB".to_owned());
            }
        }
        KeySet::parse(&body).map_err(|why| format!("the answer {why}"))
    }
}

/// The deepest cause, which says what happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse as _, Redirect};
    use axum::routing::get;
    use pandaport_test_identity::{SigningKey, jwks};

    use super::*;

    /// An issuer that answers with what is set, and counts how often it is asked.
    #[derive(Clone, Default)]
    struct Issuer {
        body: Arc<RwLock<Option<String>>>,
        asked: Arc<AtomicUsize>,
        authorization: Arc<RwLock<Option<String>>>,
    }

    impl Issuer {
        async fn start(&self) -> String {
            let issuer = self.clone();
            let keys = move |headers: HeaderMap| async move {
                issuer.asked.fetch_add(1, Ordering::Relaxed);
                let shown = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
                *issuer.authorization.write().unwrap() = shown;
                let body = issuer.body.read().unwrap().clone();
                body.map_or_else(|| StatusCode::SERVICE_UNAVAILABLE.into_response(), |body| body.into_response())
            };
            let moved = || async { Redirect::temporary("/keys") };
            let app = Router::new().route("/keys", get(keys)).route("/moved", get(moved));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, app).await });
            url
        }

        fn has(&self, keys: &[&SigningKey]) {
            *self.body.write().unwrap() = Some(jwks(keys));
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn fetched(url: &str) -> Arc<Fetched> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Arc::new(Fetched::new(KeysUrl::new(url, None, None).unwrap()).unwrap())
    }

    async fn knows(fetched: &Arc<Fetched>, kid: &str) -> Option<bool> {
        fetched.find(Some(kid), Algorithm::ES256).await.ok().map(|found| !found.is_empty())
    }

    #[tokio::test]
    async fn a_new_key_is_fetched_when_a_token_names_it_but_made_up_ones_do_not_make_it_ask_again_and_again() {
        let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
        let issuer = Issuer::default();
        let keys = fetched(&format!("{}/keys", issuer.start().await));
        issuer.has(&[&old]);
        assert_eq!(knows(&keys, "old").await, Some(true));
        assert_eq!(issuer.asked(), 1);
        for made_up in ["a", "b", "c"] {
            assert_eq!(knows(&keys, made_up).await, Some(false));
        }
        assert_eq!(issuer.asked(), 1);

        issuer.has(&[&new]);
        *keys.tried.lock().await = Instant::now().checked_sub(UNKNOWN_KEY_EVERY);
        assert_eq!(knows(&keys, "new").await, Some(true));
        assert_eq!(knows(&keys, "old").await, Some(false));
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn callers_that_give_up_do_not_make_it_ask_for_each_of_them() {
        let key = SigningKey::new("k");
        let issuer = Issuer::default();
        issuer.has(&[&key]);
        let keys = fetched(&format!("{}/keys", issuer.start().await));
        for _ in 0..20 {
            let _ = tokio::time::timeout(Duration::from_millis(2), knows(&keys, "made up")).await;
        }
        assert_eq!(knows(&keys, "k").await, Some(true));
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test]
    async fn while_the_issuer_is_away_what_was_fetched_stays_and_before_that_nobody_can_be_checked() {
        let key = SigningKey::new("k");
        let issuer = Issuer::default();
        let keys = fetched(&format!("{}/keys", issuer.start().await));
        assert_eq!(knows(&keys, "k").await, None);
        issuer.has(&[&key]);
        *keys.tried.lock().await = None;
        assert_eq!(knows(&keys, "k").await, Some(true));

        for broken in [None, Some("<html>"), Some(r#"{"keys": []}"#)] {
            *issuer.body.write().unwrap() = broken.map(str::to_owned);
            *keys.tried.lock().await = None;
            assert_eq!(knows(&keys, "other").await, Some(false));
            assert_eq!(knows(&keys, "k").await, Some(true));
        }
    }

    #[tokio::test]
    async fn keys_are_taken_neither_from_elsewhere_nor_without_end() {
        let key = SigningKey::new("k");
        let issuer = Issuer::default();
        issuer.has(&[&key]);
        let url = issuer.start().await;
        assert_eq!(knows(&fetched(&format!("{url}/moved")), "k").await, None);
        assert_eq!(issuer.asked(), 0);
        let padded = format!("{}{}", jwks(&[&key]), " ".repeat(MAX_BYTES));
        *issuer.body.write().unwrap() = Some(padded);
        assert_eq!(knows(&fetched(&format!("{url}/keys")), "k").await, None);
    }

    #[tokio::test]
    async fn a_token_that_the_issuer_asks_for_is_sent_along_as_it_is_at_that_moment() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issuer = Issuer::default();
        issuer.has(&[&SigningKey::new("k")]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "first\n").unwrap();
        let url = format!("{}/keys", issuer.start().await);
        let keys = Arc::new(Fetched::new(KeysUrl::new(&url, None, Some(file.path().to_owned())).unwrap()).unwrap());
        for token in ["first", "second"] {
            std::fs::write(file.path(), format!("{token}\n")).unwrap();
            *keys.tried.lock().await = None;
            let _ = knows(&keys, "another").await;
            assert_eq!(*issuer.authorization.read().unwrap(), Some(format!("Bearer {token}")));
        }
    }

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for url in ["https://issuer.example/keys", "http://127.0.0.1:8080/keys", "http://[::1]/k", "http://localhost/k"]
        {
            assert!(KeysUrl::new(url, None, None).is_ok(), "{url}");
        }
        for url in [
            "",
            "issuer.example",
            "http://issuer.example/keys",
            "http://10.0.0.1/k",
            "https://a:b@issuer.example/",
            "file:///keys",
        ] {
            let error = KeysUrl::new(url, None, None).unwrap_err().to_string();
            assert!(error.starts_with("PANDAPORT_JWT_JWKS_URL: "), "{error}");
        }
    }
}
