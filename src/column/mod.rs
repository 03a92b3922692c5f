//! Columns of the Native format, one ClickHouse type a file.
