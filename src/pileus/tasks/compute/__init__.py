"""Operations on instances, images and placement groups."""
