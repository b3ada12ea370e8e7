//! Reading requests strictly: what the API description does not know is refused, with the reason.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use ledger::account::Account;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::time::{Date, Period};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Longest body: a batch of 1,000 small transactions, or 30 of the largest.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// A body of full size crosses a 1 Mbit/s link in this time.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Parameters in the path.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::malformed(format!("path: {}", rejection.body_text()))),
        }
    }
}

/// Parameters after the question mark.
pub(super) struct Terms<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Terms<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(terms)) => Ok(Self(terms)),
            Err(rejection) => Err(Problem::malformed(format!("query: {}", rejection.body_text()))),
        }
    }
}

/// A JSON body within the limits.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_json(request.headers())?;
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length > BODY_BYTES_MAX as u64) {
            return Err(too_large(&format!("{length} bytes")));
        }
        let read = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state));
        let bytes = match read.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(too_large("longer"));
            }
            Ok(Err(rejection)) => {
                // The connection broke; nobody is likely to read this.
                let reason = rejection.into_response().status();
                return Err(Problem::malformed(format!("body: it broke off ({reason}); send it again")));
            }
            Err(_) => {
                let seconds = BODY_TIME_MAX.as_secs();
                return Err(Problem::too_slow(format!(
                    "the body did not arrive within {seconds} seconds; send less at a time"
                )));
            }
        };
        // The derived reader would take an array for an object, its items for the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::malformed(
                "body: expected a JSON object; compare it with the schema at /openapi.json",
            ));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::malformed(format!("body: {error}; compare it with the schema at /openapi.json"))
        })
    }
}

fn too_large(found: &str) -> Problem {
    Problem::too_large(format!(
        "the body is {found}, at most {BODY_BYTES_MAX} bytes are read; split the batch"
    ))
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = declared.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let declared: String = declared.chars().take(80).collect();
    Err(Problem::not_json(format!("Content-Type is {declared:?}; send application/json")))
}

/// Nine digits. A number whose check digit fails is of the right form, but nobody's.
pub(super) fn org_number(text: &str) -> Result<OrgNumber, Problem> {
    let is_form =
        text.len() == 9 && text.bytes().all(|digit| digit.is_ascii_digit()) && !text.starts_with('0');
    OrgNumber::parse(text).map_err(|error| none_or_malformed(is_form, error.to_string()))
}

/// `YYYY-MM`.
pub(super) fn period(text: &str) -> Result<Period, Problem> {
    Period::parse(text).map_err(|_| {
        let given: String = text.chars().take(20).collect();
        Problem::malformed(format!("period {given:?} is not a month; write it as YYYY-MM, such as 2026-03"))
    })
}

/// `YYYY-MM-DD`. A day that its month does not have is of the right form, but no day.
pub(super) fn date(text: &str) -> Result<Date, Problem> {
    let day = text.get(8..).and_then(|day| day.parse::<u32>().ok());
    let month = text.get(..8).and_then(|month| Date::parse(&format!("{month}01")).ok());
    let is_form = month.is_some() && day.is_some_and(|day| (29..=31).contains(&day));
    Date::parse(text).map_err(|error| none_or_malformed(is_form, error.to_string()))
}

fn none_or_malformed(is_form: bool, detail: String) -> Problem {
    if is_form { Problem::not_found(detail) } else { Problem::malformed(detail) }
}

/// An account as reports write it.
pub(super) fn account(text: &str) -> Result<Account, Problem> {
    // What reads but is written otherwise, such as a missing zero, would be two names for one thing.
    Account::parse(text).filter(|account| account.to_string() == text).ok_or_else(|| {
        let given: String = text.chars().take(40).collect();
        Problem::malformed(format!(
            "account {given:?} is none; write 1.222.260 (class.function.art), 2.35.200 (2.chapter.sector), S870 or 1500"
        ))
    })
}

/// 64 lower-case hex digits.
pub(super) fn digest(text: &str) -> Result<Digest, Problem> {
    Digest::from_hex(text).ok_or_else(|| {
        let given: String = text.chars().take(70).collect();
        Problem::malformed(format!("{given:?} is not an id; write 64 lower-case hex digits"))
    })
}

/// 32 lower-case hex digits.
pub(super) fn payment_number(text: &str) -> Result<[u8; 16], Problem> {
    let mut number = [0; 16];
    let lower = text.bytes().all(|digit| !digit.is_ascii_uppercase());
    if lower && hex::decode_to_slice(text, &mut number).is_ok() {
        return Ok(number);
    }
    let given: String = text.chars().take(40).collect();
    Err(Problem::malformed(format!("payment number {given:?} is none; write 32 lower-case hex digits")))
}
