//! The line to one node: HTTP requests, bounded answers, problems as the node states them.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// No answer of a node is longer: a journal page of a thousand full leaves with proofs.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// The node itself answers a submission within 20 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// A problem document (RFC 9457) as a node sends it.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// In one line.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Values and remedy.
    #[serde(default)]
    pub detail: String,
    /// The rule that refused, if one did.
    #[serde(default)]
    pub rule: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The node cannot be reached, or the line broke.
    #[error("node {node}: {reason}; check the address, or ask another node")]
    Unreachable {
        /// Its address.
        node: String,
        /// What went wrong.
        reason: String,
    },
    /// The node refused.
    #[error("{}{}", rule_prefix(.0), .0.text())]
    Refused(Problem),
    /// The node answered something else than it promises.
    #[error("node {node}: its answer to {path} is not what the protocol promises ({reason}); ask another node")]
    Malformed {
        /// Its address.
        node: String,
        /// What was asked.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

fn rule_prefix(problem: &Problem) -> String {
    problem.rule.as_ref().map_or_else(String::new, |rule| format!("refused {rule}: "))
}

impl Problem {
    fn text(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

/// One node.
pub struct Line {
    node: String,
    agent: ureq::Agent,
}

impl Line {
    /// A line to the node at this address, such as `http://127.0.0.1:8080`.
    pub fn new(node: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .http_status_as_error(false)
            .build();
        Self { node: node.trim_end_matches('/').to_string(), agent: config.into() }
    }

    /// The node's address.
    pub fn node(&self) -> &str {
        &self.node
    }

    fn answer(
        &self,
        path: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Vec<u8>, HttpError> {
        let unreachable =
            |reason: String| HttpError::Unreachable { node: self.node.clone(), reason };
        let mut response = response.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let mut reader = response.body_mut().as_reader().take(ANSWER_BYTES_MAX);
        reader.read_to_end(&mut bytes).map_err(|error| unreachable(error.to_string()))?;
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        match serde_json::from_slice(&bytes) {
            Ok(problem) => Err(HttpError::Refused(problem)),
            Err(_) => Err(self.malformed(path, format!("status {status} without a problem document"))),
        }
    }

    /// An answer that breaks the protocol.
    pub fn malformed(&self, path: &str, reason: impl Into<String>) -> HttpError {
        HttpError::Malformed { node: self.node.clone(), path: path.into(), reason: reason.into() }
    }

    /// Asks for bytes.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get(&self, path: &str) -> Result<Vec<u8>, HttpError> {
        self.answer(path, self.agent.get(format!("{}{path}", self.node)).call())
    }

    /// Asks for text.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get_text(&self, path: &str) -> Result<String, HttpError> {
        String::from_utf8(self.get(path)?).map_err(|_| self.malformed(path, "not UTF-8"))
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        let bytes = self.get(path)?;
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(path, error.to_string()))
    }

    /// Sends JSON, reads JSON.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn post_json<T: DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> Result<T, HttpError> {
        let body = body.to_string();
        let request = self.agent.post(format!("{}{path}", self.node)).content_type("application/json");
        let bytes = self.answer(path, request.send(body.as_bytes()))?;
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(path, error.to_string()))
    }
}
