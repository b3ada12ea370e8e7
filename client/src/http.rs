//! The line to one node: HTTP requests, bounded answers, problems as the node states them.
//!
//! It leaves out what an answer means and whether it is true, and TLS: everything read is public and
//! verified, everything sent is signed, and secrecy on the way is a gateway's business.
//!
//! Invariant: every wait and every answer is bounded.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// No answer of a node is longer: a journal page of a thousand full leaves with proofs.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// The node itself answers a submission within 20 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// A node that is up takes a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The address is none that is spoken to.
    #[error(
        "node {node:?} is not an address of the form http://HOST:PORT; give one, TLS is a gateway's business"
    )]
    Address {
        /// What was given, shortened.
        node: String,
    },
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
    #[error(
        "node {node}: its answer to {path} is not what the protocol promises ({reason}); ask another node"
    )]
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
    /// What the node says: values and remedy, or at least what kind of problem it is.
    pub fn text(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }

    /// Whether the node says that it cannot now, rather than that it will not.
    pub fn is_busy(&self) -> bool {
        self.status >= 500
    }
}

/// One node.
pub struct Line {
    node: String,
    agent: ureq::Agent,
}

impl Line {
    /// A line to the node at this address, such as `http://127.0.0.1:8080`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`HttpError::Address`].
    pub fn new(node: &str) -> Result<Self, HttpError> {
        let address = || HttpError::Address { node: node.chars().take(80).collect() };
        let host = node.strip_prefix("http://").ok_or_else(address)?.trim_end_matches('/');
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(address());
        }
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false);
        // A proxy from the environment does not lead back to this machine.
        if ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own)) {
            config = config.proxy(None);
        }
        Ok(Self { node: format!("http://{host}"), agent: config.build().into() })
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
        let unreachable = |reason: String| HttpError::Unreachable { node: self.node.clone(), reason };
        let mut response = response.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let mut reader = response.body_mut().as_reader().take(ANSWER_BYTES_MAX + 1);
        reader.read_to_end(&mut bytes).map_err(|error| unreachable(error.to_string()))?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(self.malformed(path, format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        match serde_json::from_slice(&bytes) {
            Ok(problem) => Err(HttpError::Refused(problem)),
            Err(_) => Err(unreachable(format!("it answers {path} with status {status} and no reason"))),
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
    pub fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, HttpError> {
        let body = body.to_string();
        let request = self.agent.post(format!("{}{path}", self.node)).content_type("application/json");
        let bytes = self.answer(path, request.send(body.as_bytes()))?;
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(path, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_form_is_refused_before_anything_is_sent() {
        for wrong in ["", "127.0.0.1:8080", "https://node.example", "http://", "http://a b"] {
            assert!(matches!(Line::new(wrong), Err(HttpError::Address { .. })), "{wrong}");
        }
        assert_eq!(Line::new("http://127.0.0.1:8080/").unwrap().node(), "http://127.0.0.1:8080");
    }

    #[test]
    fn a_node_that_is_not_there_is_unreachable() {
        // Bound and dropped: the port is free again and nobody listens.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let line = Line::new(&format!("http://127.0.0.1:{port}")).unwrap();
        assert!(matches!(line.get("/health"), Err(HttpError::Unreachable { .. })));
    }
}
