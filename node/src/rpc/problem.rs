//! Problem documents (RFC 9457): the one form in which the RPC says no.
//!
//! A refusal of the ledger carries the rule's id, its arithmetic and its remedy; everything else that
//! goes wrong on the way says what was expected, what was found and what to do. The module leaves
//! out when something is wrong.
//!
//! Invariant: every answer outside 2xx leaves the node as `application/problem+json`, because
//! [`finish`] is the last to touch each response.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ledger::refusal::Refusal;
use ledger::transaction::TransactionError;
use serde::Serialize;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response as ResponseDoc, ResponseBuilder, Type,
};
use utoipa::{IntoResponses, ToSchema};

use crate::handle::Busy;

/// Media type of RFC 9457.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not carried out (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:hovedbok:rule:<id>` when a rule of the ledger refuses, else `urn:hovedbok:problem:<name>`.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri", examples("urn:hovedbok:rule:L6"))]
    pub(super) kind: Box<str>,
    /// What kind of problem it is; the same for every problem of this type.
    #[schema(value_type = String, examples("used once, for ever"))]
    pub(super) title: &'static str,
    /// The HTTP status of the answer; in a batch, the one that the item alone would have had.
    #[schema(minimum = 400, maximum = 599, examples(409))]
    pub(super) status: u16,
    /// What was expected, what was found, and the way forward.
    #[schema(value_type = String, examples(
        "document 923609016 8841 2026-03-04 is already registered at leaf 17; do not submit it twice, or correct its number or issue date with the seller"
    ))]
    pub(super) detail: Box<str>,
    /// Id of the rule that refuses (specs/ledger.md); absent when no rule is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[A-Z][0-9]+$", examples("L6"))]
    pub(super) rule: Option<&'static str>,
    /// Path of the request; absent in the items of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, format = "uri-reference", examples("/v1/transactions"))]
    pub(super) instance: Option<Box<str>>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:hovedbok:problem:{name}").into(),
            title,
            status: status.as_u16(),
            detail: detail.into().into(),
            rule: None,
            instance: None,
            retry_after_s: None,
        }
    }

    fn rule(status: StatusCode, rule: &'static str, detail: String) -> Self {
        Self {
            kind: format!("urn:hovedbok:rule:{rule}").into(),
            title: rule_title(rule),
            rule: Some(rule),
            ..Self::new(status, "", "", detail)
        }
    }

    /// The ledger refuses a transaction: 409 when an id is taken, 422 otherwise.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::IdConflict { .. } | Refusal::DocumentExists { .. } => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::rule(status, refusal.rule(), refusal.to_string())
    }

    /// The bytes are no verified transaction (rule L0): 422 when a signature does not hold, else 400.
    pub(super) fn unreadable(error: &TransactionError) -> Self {
        let status = match error {
            TransactionError::BadSignature { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            TransactionError::Codec(_) | TransactionError::SignatureList { .. } => StatusCode::BAD_REQUEST,
        };
        Self::rule(status, "L0", error.to_string())
    }

    /// The request is not of the form that the API description gives.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "the request cannot be read", detail)
    }

    /// Nothing of that name is posted here.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "nothing stands there", detail)
    }

    /// It is posted, or may be, before what this node holds.
    pub(super) fn not_held(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-held", "this node does not hold it", detail)
    }

    /// The request's body did not arrive in time.
    pub(super) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the request did not arrive in time", detail)
    }

    /// The request's body is longer than the limit.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the request is too large", detail)
    }

    /// The request's body is not JSON by its own word.
    pub(super) fn not_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "the body is not declared as JSON", detail)
    }

    /// The node cannot do it now.
    pub(super) fn busy(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "busy", "the node cannot do it now", detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// The node is up, but not fit to be relied on.
    pub(super) fn not_ready(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "not-ready", "the node is not ready", detail);
        Self { retry_after_s: Some(1), ..problem }
    }

    /// The node's own store could not be read.
    pub(super) fn broken(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", "the node cannot read its own store", detail)
    }

    /// For an error status that something else than a handler of ours gave.
    fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => {
                Self::not_found("no such path; the paths are described at /openapi.json")
            }
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method",
                "the path does not take this method",
                "the path exists, but not for this method; see the Allow header and /openapi.json",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large("the body is longer than the limit; send less"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::not_json("send Content-Type: application/json"),
            status => Self::new(
                status,
                "http",
                "the request was not carried out",
                format!("{status}; compare the request with /openapi.json"),
            ),
        }
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::Full => Self::busy(busy.to_string(), 1),
            Busy::Stopping => Self::busy(busy.to_string(), 10),
        }
    }
}

/// What a rule demands, in a few words (specs/ledger.md).
fn rule_title(rule: &str) -> &'static str {
    match rule {
        "L0" => "a readable transaction, rightly signed",
        "L1" => "debit equals credit",
        "L2" => "two parties",
        "L3" => "accounts and codes in force",
        "L4" => "VAT and sums that add up",
        "L6" => "used once, for ever",
        "L7" => "keys, mandates and separate hands",
        "L9" => "dates in open periods",
        "L12" => "orders over what is open, cash by the bank's word",
        "L14" => "typed fields only, nothing personal",
        "L17" => "registered entities that keep books",
        "L18" => "the steps of a document in order",
        "L19" => "periods closed in order",
        "L20" => "one opening balance",
        "L21" => "limits of size",
        _ => "refused by a rule of the ledger",
    }
}

/// Carries the document to [`finish`], which knows the path and writes it out.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status_code().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes every problem out with the request's path, and turns whatever else is outside 2xx into one.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_string();
    let mut response = next.run(request).await;
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if response.status().is_success() => return response,
        None => Problem::from_status(response.status()),
    };
    // A long path would come back as long as it was sent.
    let instance = Some(path.chars().take(256).collect::<String>().into());
    let problem = Problem { instance, ..problem };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.status = problem.status_code();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after_s {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(body))
}

fn document(description: &str, retry: bool) -> RefOr<ResponseDoc> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
    if retry {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))))
            .description(Some("Seconds to wait before asking again"))
            .build();
        response = response.header("Retry-After", header);
    }
    response.build().into()
}

/// Documents the problems that any path may answer with, and those of its own.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($status:literal $text:literal),*;)*) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
                BTreeMap::from([
                    $(($status.to_string(), document($text, $status == "503")),)*
                ])
            }
        })*
    };
}

problems! {
    /// Of paths without parameters that need nothing of the running validator.
    FixedProblems: "503" "The node is stopping";
    /// Of paths with parameters.
    LookupProblems:
        "400" "A parameter is not of its form",
        "404" "Nothing of that name is posted here, or this node joined later and does not hold it (not-held)",
        "500" "The node cannot read its own store",
        "503" "The node cannot answer now; ask again after Retry-After seconds";
    /// Of submitting.
    SubmitProblems:
        "400" "The body is not of its form, or holds bytes that are no transaction (rule L0)",
        "408" "The body did not arrive within its time",
        "409" "The payment id or the document was used before (rule L6)",
        "413" "The body is longer than 1 MiB",
        "415" "The body is not declared as application/json",
        "422" "The ledger refuses the transaction; rule and detail say why and what to do",
        "500" "The node cannot read its own store",
        "503" "The node has all the work it can take; nothing was taken; submit again after Retry-After seconds";
    /// Of readiness.
    ReadyProblems: "503" "The node is not ready; detail says why";
}
