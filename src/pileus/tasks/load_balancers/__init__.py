"""Operations on load balancers and their parts."""
