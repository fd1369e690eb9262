//! The console's files, built into the program.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::center::reports::pdf::Fonts;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Console;

/// The typeface of papers, which the page's build lays beside its own files.
pub fn fonts() -> Option<Fonts> {
    let font = |name: &str| Console::get(&format!("fonts/{name}.ttf")).map(|file| file.data);
    Some(Fonts { regular: font("Tinos-Regular")?, bold: font("Tinos-Bold")?, italic: font("Tinos-Italic")? })
}

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>loaxa</title><p>The page is not built into this program. \
    Build it with: <code>make web</code>, then build loaxa again. The API is at <a href=/api/v1/openapi.json>/api/v1</a>.";

pub async fn page(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(file) = Console::get(path) else {
        return match path {
            "index.html" => Html(NOT_BUILT).into_response(),
            _ => (StatusCode::NOT_FOUND, "not found\n").into_response(),
        };
    };
    // Names under assets/ carry a hash of their content.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(header::CONTENT_TYPE, content_type(path)), (header::CACHE_CONTROL, cache)], file.data).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("ttf") => "font/ttf",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What the page may do. One file for the header here and for the page's own copy, which holds whatever stands in front.
const POLICY: &str = include_str!("../../../web/content-security-policy.txt").trim_ascii();

/// What every answer carries. The page's tests read this table, so that they run under what a browser really gets.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(self), \
         midi=(), payment=(), usb=()",
    ),
];

pub async fn add_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // The page says for its own files how long they keep; nothing that the API tells belongs into anybody's cache.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
