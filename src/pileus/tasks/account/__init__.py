"""Operations on projects, and the delivery of audit events."""
