//! A stand-in for a gateway between Pandaport and Kandji that answers some calls by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What comes instead of a page of devices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instead {
    /// A page with nothing on it.
    Empty,
    /// The page at another offset.
    PageAt(u64),
}

/// Passes everything on to Kandji, but for one call.
pub(crate) struct Proxy {
    /// Where it listens, such as `http://127.0.0.1:40001`.
    pub(crate) url: String,
    device_pages: Arc<AtomicU64>,
}

impl Proxy {
    /// Answers the `nth` call for a page of devices, counted from 1, with something else.
    pub(crate) async fn start(kandji_url: &str, nth: u64, instead: Instead) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let device_pages = Arc::new(AtomicU64::new(0));
        let (kandji_url, pages) = (kandji_url.to_owned(), Arc::clone(&device_pages));
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let router = Router::new().fallback(move |request: Request| {
            let (http, kandji_url, pages) = (http.clone(), kandji_url.clone(), Arc::clone(&pages));
            let mut path = request.uri().path_and_query().map_or("/", |it| it.as_str()).to_owned();
            let token = request.headers().get(header::AUTHORIZATION).cloned().expect("a token");
            let is_page = request.uri().path() == "/api/v1/devices";
            async move {
                if is_page && pages.fetch_add(1, Ordering::Relaxed) + 1 == nth {
                    match instead {
                        Instead::Empty => return answer(StatusCode::OK, "[]".into()),
                        Instead::PageAt(offset) => {
                            path = format!("/api/v1/devices?ordering=device_id&limit=300&offset={offset}");
                        }
                    }
                }
                let call = http.get(format!("{kandji_url}{path}"));
                pass_on(call.header(header::AUTHORIZATION, token)).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, device_pages }
    }

    /// How many pages of devices were asked for.
    pub(crate) fn device_pages(&self) -> u64 {
        self.device_pages.load(Ordering::Relaxed)
    }
}

async fn pass_on(call: reqwest::RequestBuilder) -> Response {
    let passed = call.send().await.expect("Kandji answers");
    let status = passed.status();
    answer(status, passed.bytes().await.expect("a body").to_vec())
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
