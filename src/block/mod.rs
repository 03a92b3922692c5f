//! The Native block: encode on the page, walk and check at the edge.
