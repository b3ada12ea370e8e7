//! The forms of the accounts and what each may hold, from Statistics Norway's file description and
//! controls 009 to 013.

/// Which code lists a form's records are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// Functions and arts (controls 010 and 012).
    Appropriation,
    /// Chapters and sectors (controls 011 and 013).
    Balance,
    /// Parishes: no list is asked for.
    None,
}

/// One form (skjema).
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// Its name in the file.
    pub code: &'static str,
    /// The account classes it takes (control 009), one character each.
    pub classes: &'static str,
    /// Its code lists.
    pub lists: Lists,
    /// Whether records name an undertaking.
    pub undertaking: bool,
}

const fn form(code: &'static str, classes: &'static str, lists: Lists) -> Form {
    Form { code, classes, lists, undertaking: false }
}

const FORMS: [Form; 16] = [
    form("0A", "01", Lists::Appropriation),
    form("0B", "2", Lists::Balance),
    form("0C", "01", Lists::Appropriation),
    form("0D", "2", Lists::Balance),
    form("0F", "34", Lists::None),
    form("0G", "5", Lists::None),
    form("0I", "34", Lists::Appropriation),
    form("0J", "5", Lists::Balance),
    form("0K", "34", Lists::Appropriation),
    form("0L", "5", Lists::Balance),
    form("0M", "34", Lists::Appropriation),
    form("0N", "5", Lists::Balance),
    form("0P", "34", Lists::Appropriation),
    form("0Q", "5", Lists::Balance),
    Form { code: "0X", classes: " ", lists: Lists::Appropriation, undertaking: true },
    form("0Y", " ", Lists::Balance),
];

impl Form {
    /// Appropriation accounts of a municipality (bevilgningsregnskap).
    pub const MUNICIPALITY: &Self = &FORMS[0];
    /// Balance of a municipality.
    pub const MUNICIPALITY_BALANCE: &Self = &FORMS[1];
    /// Appropriation accounts of a county.
    pub const COUNTY: &Self = &FORMS[2];
    /// Balance of a county.
    pub const COUNTY_BALANCE: &Self = &FORMS[3];

    /// The form of this name.
    ///
    /// # Errors
    /// [`super::KostraError::Form`] when there is none.
    pub fn parse(code: &str) -> Result<&'static Self, super::KostraError> {
        FORMS
            .iter()
            .find(|form| form.code == code)
            .ok_or_else(|| super::KostraError::Form { given: code.chars().take(10).collect() })
    }
}
