//! Which clicks count.

/// What a click was on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Click {
    /// A person made it, not a script.
    pub is_trusted: bool,
    /// It was made with the first button, a key or a finger, or with the middle one; the others
    /// open menus.
    pub is_main_or_middle: bool,
    /// It was on an element that the site has marked.
    pub is_marked: bool,
    /// It was on a link with an `http` or `https` address.
    pub is_link: bool,
    /// The link leads to this page's own host.
    pub is_own_host: bool,
}

impl Click {
    /// Whether it counts as a click on what is marked, and whether as one on an outbound link.
    #[must_use]
    pub const fn counts(self) -> (bool, bool) {
        let is_one = self.is_trusted && self.is_main_or_middle;
        (is_one && self.is_marked, is_one && self.is_link && !self.is_own_host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_HAND: Click = Click {
        is_trusted: true,
        is_main_or_middle: true,
        is_marked: false,
        is_link: false,
        is_own_host: false,
    };

    #[test]
    fn a_marked_link_to_elsewhere_counts_as_both() {
        assert_eq!(BY_HAND.counts(), (false, false));
        assert_eq!(Click { is_marked: true, ..BY_HAND }.counts(), (true, false));
        assert_eq!(Click { is_marked: true, is_link: true, ..BY_HAND }.counts(), (true, true));
    }

    #[test]
    fn a_link_to_the_own_host_is_not_outbound() {
        assert_eq!(Click { is_link: true, is_own_host: true, ..BY_HAND }.counts(), (false, false));
    }

    #[test]
    fn a_script_and_the_button_of_the_menu_click_nothing() {
        let marked = Click { is_marked: true, is_link: true, ..BY_HAND };
        assert_eq!(Click { is_trusted: false, ..marked }.counts(), (false, false));
        assert_eq!(Click { is_main_or_middle: false, ..marked }.counts(), (false, false));
    }
}
